"""From the raw events of Binance's private streams to the port's updates.

One execution report is both: the trade (told first), then the order as it is after it.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from adapters.venues.ccxt.calling import Market
from adapters.venues.ccxt.reading import number, pair_of
from adapters.venues.port import (
    HoldingsChanged,
    OrderType,
    OrderUpdate,
    Side,
    TradeUpdate,
    UserUpdate,
    VenueOrder,
    VenueStatus,
    VenueTrade,
)

if TYPE_CHECKING:
    from adapters.venues.ccxt.private import CcxtVenue

STATUSES: Mapping[str, VenueStatus] = {
    "NEW": "open",
    "PENDING_NEW": "open",
    "PARTIALLY_FILLED": "open",
    "FILLED": "filled",
    "PENDING_CANCEL": "open",
    "CANCELED": "cancelled",
    "REJECTED": "rejected",
    "EXPIRED": "expired",
    "EXPIRED_IN_MATCH": "expired",
    "NEW_INSURANCE": "open",
    "NEW_ADL": "open",
}
"""Those of spot and of futures; another one is told by the next reconciliation."""
_HOLDINGS = frozenset(
    {"outboundAccountPosition", "balanceUpdate", "externalLockUpdate", "ACCOUNT_UPDATE"}
)


class Reader:
    """Knows the markets of one venue by the names that its messages use."""

    def __init__(self, venue: "CcxtVenue") -> None:
        self._venue = venue
        self._markets = {market["id"]: market for market in venue.line.markets.values()}

    def read(self, event: Mapping[str, Any]) -> Iterator[UserUpdate]:
        """Raises ValueError or KeyError for an event that is crooked."""
        kind = event.get("e")
        if kind in _HOLDINGS:
            yield HoldingsChanged()
            return
        if kind == "executionReport":
            report = event
        elif kind == "ORDER_TRADE_UPDATE":
            report = event["o"]
        else:
            return
        market = self._markets.get(report["s"])
        status = STATUSES.get(report["X"])
        if market is None or status is None:
            return
        theirs = str(report.get("C") or report["c"]) if kind == "executionReport" else report["c"]
        name = self._venue.remember(pair_of(market), str(report["i"]), theirs)
        if report["x"] == "TRADE":
            yield TradeUpdate(_trade(report, market, name))
        yield OrderUpdate(_order(report, market, name, status))


def _trade(report: Mapping[str, Any], market: Market, name: str) -> VenueTrade:
    return VenueTrade(
        trade_id=str(report["t"]),
        sequence=int(report["t"]),
        client_order_id=name,
        exchange_order_id=str(report["i"]),
        pair=pair_of(market),
        side=_side(report),
        quantity=number(report["l"]),
        price=number(report["L"]),
        fee=Decimal(report.get("n") or 0),
        fee_token=report.get("N") or "",
        is_maker=bool(report["m"]),
        executed_at_us=int(report["T"]) * 1000,
    )


def _order(report: Mapping[str, Any], market: Market, name: str, status: VenueStatus) -> VenueOrder:
    kind = _order_type(report)
    rejection = report.get("r")
    reason = rejection if rejection not in (None, "NONE") else report["X"].lower()
    return VenueOrder(
        client_order_id=name,
        exchange_order_id=str(report["i"]),
        pair=pair_of(market),
        side=_side(report),
        order_type=kind,
        quantity=number(report["q"]),
        price=None if kind == "MARKET" else number(report["p"]),
        status=status,
        filled_quantity=number(report["z"]),
        created_at_us=int(report.get("O") or report["T"]) * 1000,
        updated_at_us=int(report["T"]) * 1000,
        reason=None if status in ("open", "filled") else str(reason),
    )


def _side(report: Mapping[str, Any]) -> Side:
    return "BUY" if report["S"] == "BUY" else "SELL"


def _order_type(report: Mapping[str, Any]) -> OrderType:
    if report["o"] == "MARKET":
        return "MARKET"
    is_maker_only = report["o"] == "LIMIT_MAKER" or report.get("f") == "GTX"
    return "LIMIT_MAKER" if is_maker_only else "LIMIT"
