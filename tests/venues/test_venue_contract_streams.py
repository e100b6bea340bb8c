"""What every implementation of the port `Venue` must do on its private stream."""

import asyncio
from collections.abc import AsyncIterator, Callable

from adapters.venues.port import (
    HoldingsChanged,
    OrderUpdate,
    StreamConnected,
    TradeUpdate,
    UserUpdate,
    VenueOrder,
    VenueTrade,
)
from tests.venues.conftest import Run
from tests.venues.stage import Scene


async def told_until(
    stream: AsyncIterator[UserUpdate], last: Callable[[UserUpdate], bool]
) -> list[UserUpdate]:
    """What the stream tells up to the update that is `last`, without HoldingsChanged."""
    seen: list[UserUpdate] = []
    async for update in stream:
        if not isinstance(update, HoldingsChanged):
            seen.append(update)
        if last(update):
            break
    return seen


def closes(client_order_id: str) -> Callable[[UserUpdate], bool]:
    def is_last(update: UserUpdate) -> bool:
        return (
            isinstance(update, OrderUpdate)
            and update.order.client_order_id == client_order_id
            and update.order.status != "open"
        )

    return is_last


def orders_in(updates: list[UserUpdate]) -> list[VenueOrder]:
    return [update.order for update in updates if isinstance(update, OrderUpdate)]


def trades_in(updates: list[UserUpdate]) -> tuple[VenueTrade, ...]:
    return tuple(update.trade for update in updates if isinstance(update, TradeUpdate))


def test_the_stream_says_connected_then_every_change(run: Run) -> None:
    async def scenario(scene: Scene) -> None:
        stream = scene.venue.updates()
        assert await anext(stream) == StreamConnected()
        await scene.venue.place(scene.order("a"))
        await scene.venue.cancel(scene.pair, "a")
        filled = await scene.venue.place(scene.taking("b"))
        told = await told_until(stream, closes("b"))
        states = [(order.client_order_id, order.status) for order in orders_in(told)]
        assert list(dict.fromkeys(states)) == [
            ("a", "open"),
            ("a", "cancelled"),
            ("b", "open"),
            ("b", "filled"),
        ]
        last = orders_in(told)[-1]
        assert (last.exchange_order_id, last.filled_quantity) == (
            filled.exchange_order_id,
            filled.filled_quantity,
        )
        assert trades_in(told) == await scene.venue.trades_of(scene.pair, "b")

    run(scenario)


def test_closing_the_client_ends_its_stream(run: Run) -> None:
    async def scenario(scene: Scene) -> None:
        stream = scene.venue.updates()
        assert await anext(stream) == StreamConnected()

        async def rest() -> list[UserUpdate]:
            return [update async for update in stream]

        waiting = asyncio.create_task(rest())
        await asyncio.sleep(0)
        await scene.venue.close()
        assert await waiting == []

    run(scenario)


def test_a_broken_stream_comes_back_and_what_it_missed_can_be_asked_for(run: Run) -> None:
    async def scenario(scene: Scene) -> None:
        stream = scene.venue.updates()
        assert await anext(stream) == StreamConnected()
        cursor = (await scene.venue.trades_since(None, [scene.pair])).cursor
        await scene.cut_streams()
        await scene.venue.place(scene.taking("missed"))
        told = await told_until(stream, lambda update: isinstance(update, StreamConnected))
        assert told
        page = await scene.venue.trades_since(cursor, [scene.pair])
        assert {trade.client_order_id for trade in page.trades} == {"missed"}
        await scene.venue.place(scene.taking("heard"))
        told = await told_until(stream, closes("heard"))
        assert trades_in(told)[-1] in await scene.venue.trades_of(scene.pair, "heard")

    run(scenario)


def test_a_fill_that_the_stream_lost_can_be_asked_for(run: Run) -> None:
    async def scenario(scene: Scene) -> None:
        stream = scene.venue.updates()
        assert await anext(stream) == StreamConnected()
        await scene.fault("lose_fill")
        await scene.venue.place(scene.taking("a"))
        await scene.venue.place(scene.taking("b"))
        told = set(trades_in(await told_until(stream, closes("b"))))
        missed = set(await scene.venue.trades_of(scene.pair, "a")) - told
        assert len(missed) == 1

    run(scenario)


def test_a_fill_that_the_stream_tells_twice_is_the_same_both_times(run: Run) -> None:
    async def scenario(scene: Scene) -> None:
        stream = scene.venue.updates()
        assert await anext(stream) == StreamConnected()
        await scene.fault("duplicate_fill")
        await scene.venue.place(scene.taking("a"))
        await scene.venue.place(scene.taking("b"))
        told = trades_in(await told_until(stream, closes("b")))
        assert len(told) == len(set(told)) + 1
        page = await scene.venue.trades_since(None, [scene.pair])
        assert set(told) == set(page.trades)

    run(scenario)
