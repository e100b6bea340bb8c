"""What every implementation of the port `Venue` must do about public prices."""

from itertools import pairwise

from adapters.venues.port import Venue
from tests.venues.conftest import Run
from tests.venues.paper_process import PAIR


def test_market_prices_are_consistent(run: Run) -> None:
    async def scenario(venue: Venue) -> None:
        ticker = await venue.ticker(PAIR)
        assert 0 < ticker.bid < ticker.ask
        assert ticker.bid <= ticker.last <= ticker.ask
        book = await venue.order_book(PAIR, depth=5)
        assert len(book.bids) == len(book.asks) == 5
        bids, asks = [price for price, _ in book.bids], [price for price, _ in book.asks]
        assert bids == sorted(bids, reverse=True)
        assert asks == sorted(asks)
        assert bids[0] < asks[0]

    run("", scenario)


def test_candles_end_with_the_one_in_progress(run: Run) -> None:
    async def scenario(venue: Venue) -> None:
        candles = await venue.candles(PAIR, "1m", limit=10)
        now_us = await venue.time_us()
        assert len(candles) == 10
        assert {later.start_us - candle.start_us for candle, later in pairwise(candles)} == {
            60_000_000
        }
        assert now_us - candles[-1].start_us < 61_000_000
        for candle in candles:
            assert candle.low <= min(candle.open, candle.close)
            assert candle.high >= max(candle.open, candle.close)
        since = await venue.candles(PAIR, "1m", start_us=candles[4].start_us, limit=3)
        assert [candle.start_us for candle in since] == [candle.start_us for candle in candles[4:7]]

    run("", scenario)
