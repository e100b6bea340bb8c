"""How orders are found at a venue: by our id, by the venue's number, or by reading through them."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from adapters.venues.ccxt import reading
from adapters.venues.ccxt.calling import Market
from adapters.venues.ccxt.making import Exchange
from adapters.venues.port import VenueOrder

if TYPE_CHECKING:
    from adapters.venues.ccxt.private import CcxtVenue

_LISTS = (
    ("fetchOpenOrders", "fetch_open_orders"),
    ("fetchClosedOrders", "fetch_closed_orders"),
    ("fetchOrders", "fetch_orders"),
)
"""What a venue can do, and ccxt's method for it."""


async def order(
    venue: "CcxtVenue", exchange: Exchange, market: Market, client_order_id: str
) -> Mapping[str, Any] | None:
    theirs, symbol = venue.theirs(client_order_id), market["symbol"]
    if "lookup" in venue.manner.by_client_id:
        return dict(await exchange.fetch_order(None, symbol, {"clientOrderId": theirs}))
    number = venue.number_of(reading.pair_of(market), client_order_id)
    if number is not None and exchange.has.get("fetchOrder"):
        return dict(await exchange.fetch_order(number, symbol))
    for ability, method in _LISTS:
        if not exchange.has.get(ability):
            continue
        for seen in await getattr(exchange, method)(symbol):
            if seen.get("clientOrderId") == theirs:
                return dict(seen)
    return None


async def all_open(exchange: Exchange, *, venue: "CcxtVenue") -> list[VenueOrder] | None:
    """Of all pairs; None where the venue tells only one pair's."""
    try:
        found = await exchange.fetch_open_orders()
    except Exception as error:
        if type(error).__name__ != "ArgumentsRequired":
            raise
        return None
    return _read(venue, found)


async def open_of(exchange: Exchange, *, venue: "CcxtVenue", market: Market) -> list[VenueOrder]:
    return _read(venue, await exchange.fetch_open_orders(market["symbol"]))


def _read(venue: "CcxtVenue", found: Iterable[Mapping[str, Any]]) -> list[VenueOrder]:
    return [
        venue.known(order, market)
        for order in found
        if (market := venue.line.market_by_symbol(order["symbol"])) is not None
    ]
