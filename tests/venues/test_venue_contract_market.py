"""What every implementation of the port `PublicVenue` must do about rules and prices."""

import asyncio
from itertools import pairwise

import pytest

from adapters.venues.market_port import BookUpdate, FeedConnected, Topic, TradesUpdate
from adapters.venues.port import OrderBook, VenueRefused
from tests.venues.conftest import Run
from tests.venues.stage import Scene


def test_the_rules_name_the_pair_and_are_above_0(run: Run) -> None:
    async def scenario(scene: Scene) -> None:
        rules = await scene.market.trading_rules()
        assert len({rule.pair for rule in rules}) == len(rules)
        (rule,) = (rule for rule in rules if rule.pair == scene.pair)
        assert (rule.base, rule.quote) == (scene.terms.base, scene.terms.quote)
        assert min(rule.tick, rule.lot) > 0
        assert "LIMIT" in rule.order_types

    run(scenario)


def test_market_prices_are_consistent(run: Run) -> None:
    async def scenario(scene: Scene) -> None:
        (ticker,) = await scene.market.tickers([scene.pair])
        assert ticker.bid is not None
        assert ticker.ask is not None
        assert 0 < ticker.bid < ticker.ask
        assert ticker.last > 0
        book = await scene.market.order_book(scene.pair, depth=5)
        assert len(book.bids) == len(book.asks) == 5
        bids, asks = [price for price, _ in book.bids], [price for price, _ in book.asks]
        assert bids == sorted(bids, reverse=True)
        assert asks == sorted(asks)
        assert bids[0] < asks[0]

    run(scenario)


def test_tickers_leave_out_what_the_venue_does_not_know(run: Run) -> None:
    async def scenario(scene: Scene) -> None:
        told = await scene.market.tickers([scene.pair, "XXX-YYY"])
        assert [ticker.pair for ticker in told] == [scene.pair]
        assert scene.pair in {ticker.pair for ticker in await scene.market.tickers()}

    run(scenario)


def test_candles_end_with_the_one_in_progress(run: Run) -> None:
    async def scenario(scene: Scene) -> None:
        now_us = await scene.venue.time_us()
        candles = await scene.market.candles(scene.pair, "1m", limit=10)
        assert len(candles) == 10
        assert {later.start_us - candle.start_us for candle, later in pairwise(candles)} == {
            60_000_000
        }
        assert now_us - candles[-1].start_us < 61_000_000
        for candle in candles:
            assert candle.low <= min(candle.open, candle.close)
            assert candle.high >= max(candle.open, candle.close)
        since = await scene.market.candles(scene.pair, "1m", start_us=candles[4].start_us, limit=3)
        assert [candle.start_us for candle in since] == [candle.start_us for candle in candles[4:7]]

    run(scenario)


def test_the_latest_trades_come_oldest_first(run: Run) -> None:
    async def scenario(scene: Scene) -> None:
        for name in ("a", "b", "c"):
            await scene.venue.place(scene.taking(name))
        made = await scene.venue.trades_of(scene.pair, "c")
        first, second = await scene.market.trades(scene.pair, limit=2)
        assert first.at_us <= second.at_us >= made[-1].executed_at_us
        trades = await scene.market.trades(scene.pair, limit=100)
        times = [trade.at_us for trade in trades]
        assert times == sorted(times)
        # Others may have traded since.
        latest = [trade for trade in trades if trade.at_us >= made[-1].executed_at_us]
        told = [(trade.side, trade.quantity, trade.price) for trade in latest]
        assert ("BUY", made[-1].quantity, made[-1].price) in told

    run(scenario)


def test_what_is_not_there_is_refused(run: Run) -> None:
    async def scenario(scene: Scene) -> None:
        market = scene.market
        for act in (
            market.order_book("XXX-YYY"),
            market.trades("XXX-YYY"),
            market.candles("XXX-YYY", market.intervals[0]),
        ):
            with pytest.raises(VenueRefused) as caught:
                await act
            assert caught.value.code == "unknown_pair"
        with pytest.raises(VenueRefused) as caught:
            await market.candles(scene.pair, "7m")
        assert caught.value.code == "bad_interval"

    run(scenario)


def test_spot_has_no_funding(run_spot: Run) -> None:
    async def scenario(scene: Scene) -> None:
        with pytest.raises(VenueRefused) as caught:
            await scene.market.funding_info(scene.pair)
        assert caught.value.code == "not_supported"

    run_spot(scenario)


def sorted_well(book: OrderBook) -> bool:
    bids, asks = [price for price, _ in book.bids], [price for price, _ in book.asks]
    return bids == sorted(bids, reverse=True) and asks == sorted(asks) and bids[0] < asks[0]


@pytest.mark.parametrize("topics", [("book",), ("trades",), ("book", "trades")])
def test_a_feed_says_connected_then_tells_its_topics(run: Run, topics: tuple[Topic, ...]) -> None:
    async def scenario(scene: Scene) -> None:
        feed, heard = scene.market.watch(scene.pair, topics), set[Topic]()
        assert await anext(feed) == FeedConnected()
        async with asyncio.timeout(60):
            placing = asyncio.create_task(take_again_and_again(scene))
            try:
                async for update in feed:
                    if isinstance(update, BookUpdate):
                        heard.add("book")
                        assert update.book.pair == scene.pair
                        assert sorted_well(update.book)
                    elif isinstance(update, TradesUpdate):
                        heard.add("trades")
                        assert update.pair == scene.pair
                        assert all(trade.price > 0 < trade.quantity for trade in update.trades)
                    if heard >= set(topics):
                        break
            finally:
                placing.cancel()
                await asyncio.gather(placing, return_exceptions=True)
        assert heard == set(topics)

    run(scenario)


async def take_again_and_again(scene: Scene) -> None:
    number = 0
    while True:
        number += 1
        await scene.venue.place(scene.taking(f"n{number}"))


def test_closing_the_client_ends_its_feeds(run: Run) -> None:
    async def scenario(scene: Scene) -> None:
        feed = scene.market.watch(scene.pair, ("book", "trades"))
        assert await anext(feed) == FeedConnected()

        async def rest() -> int:
            return sum([1 async for _ in feed])

        waiting = asyncio.create_task(rest())
        await asyncio.sleep(0)
        await scene.market.close()
        async with asyncio.timeout(30):
            await waiting

    run(scenario)
