"""What every implementation of the port `PublicVenue` must do about rules and prices."""

from itertools import pairwise

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
        candles = await scene.market.candles(scene.pair, "1m", limit=10)
        now_us = await scene.venue.time_us()
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
