"""Binance's public side where ccxt drops something: whole candles, and streams in exact numbers.

A book is streamed as its best 20 levels, whole each time, every 100 ms at most.
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Collection, Mapping
from contextlib import AsyncExitStack, aclosing, suppress
from decimal import Decimal
from typing import Any

import aiohttp
import msgspec

from adapters.venues.ccxt import making
from adapters.venues.ccxt.binance_stream import BACKOFF_SECONDS, open_socket
from adapters.venues.ccxt.calling import Line, Market
from adapters.venues.ccxt.making import Exchange
from adapters.venues.ccxt.reading import number, pair_of
from adapters.venues.market_port import (
    BookUpdate,
    FeedConnected,
    FeedLost,
    MarketUpdate,
    PublicTrade,
    Topic,
    TradesUpdate,
)
from adapters.venues.port import Candle, OrderBook, VenueUnreachable

_log = logging.getLogger(__name__)
_CANDLES_MAX = 1000
_DEPTHS = (5, 10, 20, 50, 100, 500, 1000)
_SPOT_DEPTH_MAX = 5000
_STREAMS: Mapping[Topic, tuple[str, str]] = {
    "book": ("depth20@100ms", "public"),
    "trades": ("aggTrade", "market"),
}
"""Of a topic: the stream's name, and which of the futures' two servers has it."""

_decode = msgspec.json.Decoder().decode


def depth_to_ask(depth: int, is_perpetual: bool) -> int:
    """The least that the exchange answers and that holds as many levels."""
    for allowed in _DEPTHS:
        if depth <= allowed:
            return allowed
    return _DEPTHS[-1] if is_perpetual else min(depth, _SPOT_DEPTH_MAX)


async def candles(
    exchange: Exchange, market: Market, interval: str, start_ms: int | None, limit: int
) -> tuple[Candle, ...]:
    step_ms = exchange.parse_timeframe(interval) * 1000
    if start_ms is None and limit > _CANDLES_MAX:
        start_ms = (time.time_ns() // 1_000_000 // step_ms - limit + 1) * step_ms
    ask = exchange.fapiPublicGetKlines if market.get("linear") else exchange.publicGetKlines
    told: list[Candle] = []
    while len(told) < limit:
        room = min(limit - len(told), _CANDLES_MAX)
        request = {"symbol": market["id"], "interval": interval, "limit": room}
        rows = await ask(request | ({} if start_ms is None else {"startTime": start_ms}))
        told += [_candle(row) for row in rows]
        if start_ms is None or len(rows) < room:
            break
        start_ms = int(rows[-1][0]) + 1
    return tuple(told)


def _candle(row: list[Any]) -> Candle:
    return Candle(
        start_us=int(row[0]) * 1000,
        open=number(row[1]),
        high=number(row[2]),
        low=number(row[3]),
        close=number(row[4]),
        volume=number(row[5]),
        quote_volume=number(row[7]),
        trades=int(row[8]),
        taker_base_volume=number(row[9]),
        taker_quote_volume=number(row[10]),
    )


async def watch(
    line: Line, pair: str, topics: Collection[Topic]
) -> AsyncGenerator[MarketUpdate, None]:
    """Yield until the venue is closed; raises VenueRefused for a pair that is not traded."""
    delay, longest = BACKOFF_SECONDS
    while not line.closed.is_set():
        try:
            async with aclosing(_one_connection(line, pair, topics)) as told:
                async for update in told:
                    delay = BACKOFF_SECONDS[0]
                    yield update
        except VenueUnreachable as error:
            _log.info("The feed of %s %s broke: %s", line.name, pair, error)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError, TypeError) as error:
            _log.info("The feed of %s %s broke: %r", line.name, pair, error)
        if line.closed.is_set():
            return
        yield FeedLost()
        with suppress(TimeoutError):
            async with asyncio.timeout(delay):
                await line.closed.wait()
        delay = min(2 * delay, longest)


async def _one_connection(
    line: Line, pair: str, topics: Collection[Topic]
) -> AsyncGenerator[MarketUpdate, None]:
    """One socket for each server that is needed; all end with the first that does."""

    async def open_it(exchange: Exchange) -> tuple[Exchange, Market]:
        return exchange, line.market(pair)

    exchange, market = await line.call("other", open_it)
    streams: dict[str, list[str]] = {}
    for topic in sorted(topics):
        name, server = _STREAMS[topic]
        url = exchange.urls["api"]["ws"]["spot"]
        if market.get("linear"):
            url = exchange.get_ws_url("linear", server)
        streams.setdefault(url, []).append(f"{market['lowercaseId']}@{name}")
    async with making.session(exchange) as session, AsyncExitStack() as opened:
        sockets = [
            await opened.enter_async_context(await open_socket(exchange, session, url))
            for url in streams
        ]
        for socket, names in zip(sockets, streams.values(), strict=True):
            await socket.send_json({"method": "SUBSCRIBE", "params": names, "id": 1})
        yield FeedConnected()
        async with aclosing(_merged(sockets, line.closed)) as messages:
            async for message in messages:
                update = _update(message, market)
                if update is not None:
                    yield update


async def _merged(
    sockets: list[aiohttp.ClientWebSocketResponse], closed: asyncio.Event
) -> AsyncGenerator[dict[str, Any], None]:
    end = asyncio.create_task(closed.wait())
    waiting = {asyncio.create_task(socket.receive()): socket for socket in sockets}
    try:
        while True:
            done, _ = await asyncio.wait({end, *waiting}, return_when=asyncio.FIRST_COMPLETED)
            if end in done:
                return
            for task in [task for task in waiting if task in done]:
                socket, message = waiting.pop(task), task.result()
                if message.type is not aiohttp.WSMsgType.TEXT:
                    return
                yield _decode(message.data)
                waiting[asyncio.create_task(socket.receive())] = socket
    finally:
        end.cancel()
        for receiving in waiting:
            receiving.cancel()
        await asyncio.gather(end, *waiting, return_exceptions=True)


def _update(message: dict[str, Any], market: Market) -> MarketUpdate | None:
    """None of answers to our own subscription."""
    if message.get("error"):
        raise ValueError(f"the exchange refused a stream: {message['error']}")
    pair = pair_of(market)
    if message.get("e") == "aggTrade":
        trade = PublicTrade(
            trade_id=str(message["a"]),
            side="SELL" if message["m"] else "BUY",
            quantity=number(message["q"]),
            price=number(message["p"]),
            at_us=int(message["T"]) * 1000,
        )
        return TradesUpdate(pair, (trade,))
    bids, asks = message.get("bids", message.get("b")), message.get("asks", message.get("a"))
    if bids is None or asks is None:
        return None
    at_us = int(message["T"]) * 1000 if "T" in message else time.time_ns() // 1000
    return BookUpdate(OrderBook(pair=pair, bids=_levels(bids), asks=_levels(asks), at_us=at_us))


def _levels(rows: list[list[str]]) -> tuple[tuple[Decimal, Decimal], ...]:
    return tuple((Decimal(price), Decimal(quantity)) for price, quantity in rows)
