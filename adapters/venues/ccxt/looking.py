"""How orders are found at a venue: by our id, by the venue's number, or by reading through them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from adapters.venues.ccxt import reading
from adapters.venues.ccxt.calling import Market
from adapters.venues.ccxt.making import Exchange

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


async def open_orders(venue: "CcxtVenue", exchange: Exchange) -> list[Mapping[str, Any]]:
    """Of all pairs; where the venue tells only one pair's, of those that were heard of here."""
    try:
        return list(await exchange.fetch_open_orders())
    except Exception as error:
        if type(error).__name__ != "ArgumentsRequired":
            raise
    markets = [venue.line.markets[pair] for pair in venue.pairs if pair in venue.line.markets]
    found = [await exchange.fetch_open_orders(market["symbol"]) for market in markets]
    return [order for orders in found for order in orders]
