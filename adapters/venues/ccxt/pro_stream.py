"""Private streams of the other venues, as ccxt.pro tells them.

StreamConnected is said before the subscriptions stand, which only ccxt knows: what falls into that
gap is found by the next reconciliation. Orders and trades come from two subscriptions, so a trade
may be told after the order that it closed.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any

from adapters.venues.ccxt import reading
from adapters.venues.ccxt.making import Exchange
from adapters.venues.port import (
    HoldingsChanged,
    OrderUpdate,
    StreamConnected,
    TradeUpdate,
    UserUpdate,
    VenueRefused,
    VenueUnreachable,
)

if TYPE_CHECKING:
    from adapters.venues.ccxt.private import CcxtVenue

_log = logging.getLogger(__name__)
QUEUE_MAX = 10_000
_BACKOFF_SECONDS = (0.2, 30.0)


async def updates(venue: "CcxtVenue") -> AsyncGenerator[UserUpdate, None]:
    """Yield until the venue is closed; raises VenueRefused when the venue does not let us in."""
    if not venue.traits.has_user_stream:
        raise VenueRefused("not_supported", f"{venue.traits.name} has no private stream here")
    delay, longest = _BACKOFF_SECONDS
    while not venue.line.closed.is_set():
        queue: asyncio.Queue[UserUpdate] = asyncio.Queue(QUEUE_MAX)
        tasks: list[asyncio.Task[None]] = []
        try:
            exchange = await venue.line.call("other", _itself)
            tasks = [asyncio.create_task(task) for task in _watches(venue, exchange, queue)]
            yield StreamConnected()
            async with aclosing(_told(queue, tasks, venue.line.closed)) as told:
                async for update in told:
                    delay = _BACKOFF_SECONDS[0]
                    yield update
        except Exception as error:  # noqa: BLE001 - whatever ccxt raises ends a connection only
            is_told = isinstance(error, VenueRefused | VenueUnreachable)
            refusal = error if is_told else venue.line.told(error)
            if isinstance(refusal, VenueRefused):
                raise refusal from None
            _log.info("The private stream of %s broke: %s", venue.traits.name, refusal)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        with suppress(TimeoutError):
            async with asyncio.timeout(delay):
                await venue.line.closed.wait()
        delay = min(2 * delay, longest)


def _watches(venue: "CcxtVenue", exchange: Exchange, queue: asyncio.Queue[UserUpdate]) -> list[Any]:
    async def orders() -> None:
        while True:
            for found in await exchange.watch_orders():
                market = venue.line.market_by_symbol(found["symbol"])
                if market is not None:
                    await queue.put(OrderUpdate(venue.known(found, market)))

    async def trades() -> None:
        while True:
            for found in await exchange.watch_my_trades():
                market = venue.line.market_by_symbol(found["symbol"])
                if market is None:
                    continue
                name = venue.name_of(reading.pair_of(market), str(found["order"]))
                if name:
                    await queue.put(TradeUpdate(reading.trade(found, market, name)))
                else:  # Whose it is stands in the pages of trades.
                    await queue.put(HoldingsChanged())

    async def holdings() -> None:
        while True:
            await exchange.watch_balance()
            await queue.put(HoldingsChanged())

    watches = [orders(), trades()]
    if exchange.has.get("watchBalance"):
        watches.append(holdings())
    return watches


async def _told(
    queue: asyncio.Queue[UserUpdate], tasks: list[asyncio.Task[None]], closed: asyncio.Event
) -> AsyncGenerator[UserUpdate, None]:
    """Until the first of the subscriptions fails, whose error it raises, or the venue is closed."""
    end = asyncio.create_task(closed.wait())
    try:
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
        end.cancel()


async def _itself(exchange: Exchange) -> Exchange:
    return exchange
