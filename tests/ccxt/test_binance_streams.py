"""Binance's streams: what ends them, how they come back, and that they keep pace."""

import asyncio
import threading
from decimal import Decimal
from pathlib import Path

from adapters.venues.market_port import BookUpdate, FeedConnected, FeedLost
from adapters.venues.port import (
    OrderUpdate,
    StreamConnected,
    TradeUpdate,
    VenueOrder,
)
from tests.ccxt.playing import play
from tests.doubles.binance_process import running
from tests.venues.binance_house import BinanceHouse
from tests.venues.stage import Scene


def test_an_expired_listen_key_opens_another_stream(tmp_path: Path) -> None:
    with running(tmp_path) as process:
        house = BinanceHouse(process, "binance_perpetual")

        async def scenario(scene: Scene) -> None:
            stream = scene.venue.updates()
            assert await anext(stream) == StreamConnected()
            await asyncio.to_thread(process.control, "expire", account=scene.account)
            assert await anext(stream) == StreamConnected()
            await scene.venue.place(scene.order("a"))
            update = await anext(stream)
            assert isinstance(update, OrderUpdate)

        play(house, "expire", scenario)


def test_a_cut_feed_comes_back(house: BinanceHouse) -> None:
    async def scenario(scene: Scene) -> None:
        feed = scene.market.watch(scene.pair, ("book", "trades"))
        assert await anext(feed) == FeedConnected()
        async for update in feed:
            if isinstance(update, BookUpdate):
                break
        await asyncio.to_thread(house.process.control, "cut", what="market")
        async for update in feed:
            if isinstance(update, FeedLost):
                break
        assert await anext(feed) == FeedConnected()
        assert isinstance(await anext(feed), BookUpdate)

    play(house, "cut-feed", scenario)


def test_every_fill_of_a_fast_stream_is_told_in_order(house: BinanceHouse) -> None:
    """Read as fast as the double can tell; benchmarks/ has the rate."""
    count, small = 3000, Decimal("0.001")

    async def scenario(scene: Scene) -> None:
        stream = scene.venue.updates()
        assert await anext(stream) == StreamConnected()
        await scene.venue.place(scene.order("big", quantity=small * count))
        filling = threading.Thread(
            target=house.process.control,
            args=("fill",),
            kwargs={
                "account": scene.account,
                "market": "spot" if house.connector == "binance" else "futures",
                "quantity": str(small),
                "count": count,
            },
        )
        filling.start()
        told: list[int] = []
        last: VenueOrder | None = None
        async for update in stream:
            if isinstance(update, TradeUpdate):
                told.append(update.trade.sequence)
            if isinstance(update, OrderUpdate):
                last = update.order
                if last.status == "filled":
                    break
        filling.join()
        assert len(told) == count
        assert told == sorted(set(told))
        assert last is not None
        assert last.filled_quantity == small * count

    play(house, "fast", scenario)
