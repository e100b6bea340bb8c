"""Public streams of the other venues, as ccxt.pro tells them.

Its books are kept in floats and cannot be kept otherwise (a side is sorted by the negated price),
so these streams have an exchange object of their own with `number = float`. The shortest text of a
float is the venue's own as long as that has at most 15 digits; a longer one is not exact.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Collection
from contextlib import aclosing, suppress
from typing import Any

from adapters.settings import Settings
from adapters.venues.ccxt import public
from adapters.venues.ccxt.calling import Line
from adapters.venues.ccxt.errors import translate
from adapters.venues.ccxt.making import Exchange
from adapters.venues.market_port import (
    BookUpdate,
    FeedConnected,
    FeedLost,
    MarketUpdate,
    Topic,
    TradesUpdate,
)
from adapters.venues.port import VenueRefused

_log = logging.getLogger(__name__)
_BACKOFF_SECONDS = (0.2, 30.0)
_QUEUE_MAX = 1000
_DEPTH = 100


async def watch(
    owner: Line, settings: Settings, pair: str, topics: Collection[Topic]
) -> AsyncGenerator[MarketUpdate, None]:
    """Yield until the owner is closed; raises VenueRefused where the venue has no such stream."""
    line = Line(settings, owner.name, is_exact=False)
    delay, longest = _BACKOFF_SECONDS
    try:
        while not owner.closed.is_set():
            try:
                async with aclosing(_one_connection(owner, line, pair, topics)) as told:
                    async for update in told:
                        delay = _BACKOFF_SECONDS[0]
                        yield update
            except Exception as error:  # noqa: BLE001 - whatever ccxt raises ends a connection only
                refusal = translate(error, "other") if _is_ccxt(error) else error
                if isinstance(refusal, VenueRefused):
                    raise refusal from None
                _log.info("The feed of %s %s broke: %s", owner.name, pair, refusal)
            if owner.closed.is_set():
                return
            yield FeedLost()
            with suppress(TimeoutError):
                async with asyncio.timeout(delay):
                    await owner.closed.wait()
            delay = min(2 * delay, longest)
    finally:
        await line.close()


async def _one_connection(
    owner: Line, line: Line, pair: str, topics: Collection[Topic]
) -> AsyncGenerator[MarketUpdate, None]:
    async def itself(exchange: Exchange) -> Exchange:
        line.market(pair)
        return exchange

    exchange = await line.call("other", itself)
    market, queue = line.market(pair), asyncio.Queue[MarketUpdate](_QUEUE_MAX)

    async def books() -> None:
        while True:
            found = await exchange.watch_order_book(market["symbol"])
            await queue.put(BookUpdate(public.book(found, market, _DEPTH)))

    async def trades() -> None:
        while True:
            found = await exchange.watch_trades(market["symbol"])
            told = tuple(public.public_trade(one, market) for one in found)
            await queue.put(TradesUpdate(pair, told))

    for topic, method in (("book", "watchOrderBook"), ("trades", "watchTrades")):
        if topic in topics and not exchange.has.get(method):
            raise VenueRefused("not_supported", f"{owner.name} has no stream of {topic} in ccxt")
    wanted: list[Any] = [books()] if "book" in topics else []
    wanted += [trades()] if "trades" in topics else []
    tasks = [asyncio.create_task(each) for each in wanted]
    end = asyncio.create_task(owner.closed.wait())
    try:
        yield FeedConnected()
        while True:
            item = asyncio.create_task(queue.get())
            done, _ = await asyncio.wait({item, end, *tasks}, return_when=asyncio.FIRST_COMPLETED)
            if item in done:
                yield item.result()
                continue
            item.cancel()
            for task in tasks:
                if task in done:
                    task.result()
            return
    finally:
        for task in (end, *tasks):
            task.cancel()
        await asyncio.gather(end, *tasks, return_exceptions=True)


def _is_ccxt(error: Exception) -> bool:
    return type(error).__module__.startswith("ccxt")
