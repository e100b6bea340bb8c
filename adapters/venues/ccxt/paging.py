"""Trades of an account, page by page and pair by pair, with the client order ids that they lack.

The cursor is JSON: for each pair the first trade's number that is still to come or, at venues
whose trades have no order of their own, a time in milliseconds and the trades already told of it.
"""

import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from adapters.venues.ccxt import reading
from adapters.venues.ccxt.calling import Market
from adapters.venues.ccxt.making import Exchange
from adapters.venues.port import TradePage, VenueOrder, VenueTrade

if TYPE_CHECKING:
    from adapters.venues.ccxt.private import CcxtVenue

_DAY_MS = 24 * 3600 * 1000
_ORDERS_PAGE_MAX = 1000
_NOBODY = ""


class Place(Struct, omit_defaults=True):
    """How far a pair has been told."""

    from_id: int = 0
    since_ms: int = 0
    told: list[str] = []


_decode = msgspec.json.Decoder(dict[str, Place]).decode
_encode = msgspec.json.Encoder(order="deterministic").encode


async def trades_since(
    venue: "CcxtVenue", cursor: str | None, pairs: Sequence[str], limit: int
) -> TradePage:
    """One page out of all pairs; it has more when a pair filled what room was left for it.

    Each pair is a call with a time limit of its own: a hundred pairs take longer than any call may.
    """
    await venue.line.call("lookup", _ready)
    places = {} if cursor is None else _decode(cursor)
    for pair in pairs:
        places.setdefault(pair, Place())
    told: list[VenueTrade] = []
    has_more = False
    for pair in sorted(places):
        market = venue.line.markets.get(pair)
        if market is None:
            continue  # The venue no longer trades it.
        room = min(limit - len(told), venue.manner.trades_page_max)
        if room <= 0:
            has_more = True
            break
        page, is_full = await venue.line.call(
            "lookup", partial(_page, venue=venue, market=market, place=places[pair], room=room)
        )
        told += page
        has_more = has_more or is_full
    return TradePage(trades=tuple(told), cursor=_encode(places).decode(), has_more=has_more)


async def _ready(_exchange: Exchange) -> None:
    """Its markets are known now."""


async def _page(
    exchange: Exchange, *, venue: "CcxtVenue", market: Market, place: Place, room: int
) -> tuple[list[VenueTrade], bool]:
    """Read on from a place, and move it."""
    symbol = market["symbol"]
    if venue.manner.pages_trades_by_id:
        found = await exchange.fetch_my_trades(symbol, None, room, {"fromId": place.from_id})
        trades = await _named(venue, exchange, market, found)
        if trades:
            place.from_id = trades[-1].sequence + 1
        return trades, len(found) >= room
    place.since_ms = place.since_ms or time.time_ns() // 1_000_000 - _DAY_MS
    fresh = await _fresh(venue, exchange, symbol, place)
    for trade in fresh[:room]:
        if trade["timestamp"] > place.since_ms:
            place.since_ms, place.told = trade["timestamp"], []
        place.told.append(str(trade["id"]))
    # How many a page of the venue holds is not known: only an empty one is surely the last.
    return await _named(venue, exchange, market, fresh[:room]), bool(fresh)


async def _fresh(
    venue: "CcxtVenue", exchange: Exchange, symbol: str, place: Place
) -> list[Mapping[str, Any]]:
    """The trades after a place, oldest first.

    A page full of one told millisecond would be read for ever: then the next millisecond is asked
    for, and what did not fit into the page is seen by its order only.
    """
    for since_ms in (place.since_ms, place.since_ms + 1):
        found = await exchange.fetch_my_trades(symbol, since_ms, venue.manner.trades_page_max)
        fresh = [trade for trade in found if str(trade["id"]) not in place.told]
        if fresh or len(found) <= 1:
            break
    return sorted(fresh, key=lambda trade: trade["timestamp"])


async def trades_of(
    venue: "CcxtVenue", exchange: Exchange, order: VenueOrder
) -> tuple[VenueTrade, ...]:
    market = venue.line.market(order.pair)
    number, symbol = order.exchange_order_id, market["symbol"]
    if venue.manner.pages_trades_by_id:
        found = await _all_by_id(venue, exchange, symbol, number)
    elif exchange.has.get("fetchOrderTrades"):
        found = await exchange.fetch_order_trades(number, symbol)
    else:
        since_ms = order.created_at_us // 1000 or None
        found = await exchange.fetch_my_trades(symbol, since_ms)
    return tuple(
        reading.trade(trade, market, order.client_order_id)
        for trade in found
        if str(trade["order"]) == number
    )


async def _all_by_id(
    venue: "CcxtVenue", exchange: Exchange, symbol: str, number: str
) -> list[Mapping[str, Any]]:
    room, from_id = venue.manner.trades_page_max, None
    seen: list[Mapping[str, Any]] = []
    while True:
        parameters = {"orderId": number} | ({} if from_id is None else {"fromId": from_id})
        found = await exchange.fetch_my_trades(symbol, None, room, parameters)
        seen += found
        if len(found) < room:
            return seen
        from_id = int(found[-1]["id"]) + 1


async def _named(
    venue: "CcxtVenue", exchange: Exchange, market: Market, found: Sequence[Mapping[str, Any]]
) -> list[VenueTrade]:
    """Read trades; orders whose client order id is not known are asked for."""
    names = await _names(venue, exchange, market, {str(trade["order"]) for trade in found})
    read = [reading.trade(trade, market, names[str(trade["order"])]) for trade in found]
    return sorted(read, key=lambda trade: trade.sequence)


async def _names(
    venue: "CcxtVenue", exchange: Exchange, market: Market, numbers: set[str]
) -> dict[str, str]:
    """Client order ids by the venue's numbers.

    Of what is read only these are remembered: between two of them there may be more orders than
    are remembered at all.
    """
    pair, symbol = reading.pair_of(market), market["symbol"]
    known = {number: venue.name_of(pair, number) for number in numbers}
    names = {number: name for number, name in known.items() if name is not None}
    while missing := numbers - names.keys():
        first = min(missing, key=lambda number: (len(number), number))
        if venue.manner.pages_trades_by_id:
            found = await exchange.fetch_orders(symbol, None, _ORDERS_PAGE_MAX, {"orderId": first})
        else:
            found = await _one(exchange, first, symbol)
        theirs = {str(order["id"]): str(order.get("clientOrderId") or "") for order in found}
        for number in missing & theirs.keys():
            names[number] = venue.remember(pair, number, theirs[number])
        if first not in names:
            names[first] = venue.remember(pair, first, _NOBODY)  # The venue has forgotten it.
    return names


async def _one(exchange: Exchange, number: str, symbol: str) -> list[Mapping[str, Any]]:
    if not exchange.has.get("fetchOrder"):
        return []
    try:
        return [await exchange.fetch_order(number, symbol)]
    except Exception as error:
        if type(error).__name__ == "OrderNotFound":
            return []
        raise
