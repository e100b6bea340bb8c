"""Feeds of books, trades and candles before a venue that says what the test says."""

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal

import pytest

from adapters.venues.market_port import BookUpdate, FeedConnected, FeedLost, TradesUpdate
from adapters.venues.port import Candle, VenueRefused, VenueUnreachable
from adapters.venues.registry import NoVenue
from api.market import candle_feed, feed
from api.market.feeds import Feeds
from tests.market_feeds.scripted import PAIR, Told, book, trade, venues

Scenario = Callable[[Told, Feeds], Awaitable[None]]


def play(scenario: Scenario, feeds_max: int = 10) -> None:
    async def run() -> None:
        told = Told()
        feeds = Feeds(venues(told), idle_seconds=60, cleanup_seconds=60, feeds_max=feeds_max)
        feeds.start()
        try:
            async with asyncio.timeout(60):
                await scenario(told, feeds)
        finally:
            await feeds.close()

    asyncio.run(run())


def row(start: int, close: str = "1") -> Candle:
    return Candle(
        start_us=start,
        open=Decimal(1),
        high=Decimal(2),
        low=Decimal(1),
        close=Decimal(close),
        volume=Decimal(1),
    )


def test_a_book_is_fresh_from_the_first_on_until_the_stream_is_lost() -> None:
    async def scenario(told: Told, feeds: Feeds) -> None:
        pair = feeds.pair("told", PAIR)
        assert feeds.book("told", PAIR) is None
        told.said.put_nowait(FeedConnected())
        told.said.put_nowait(BookUpdate(book(1, 2)))
        assert await pair.until(lambda: pair.is_fresh, 30)
        assert feeds.book("told", PAIR) == book(1, 2)
        told.said.put_nowait(FeedLost())
        assert await pair.until(lambda: not pair.is_fresh, 30)
        assert feeds.book("told", PAIR) is None
        assert feeds.trades("told", PAIR, 10) is None
        told.said.put_nowait(FeedConnected())
        told.said.put_nowait(BookUpdate(book(3, 4)))
        assert await pair.until(lambda: pair.is_fresh, 30)
        assert feeds.book("told", PAIR) == book(3, 4)

    play(scenario)


def test_a_book_of_a_stream_that_has_fallen_silent_is_not_fresh(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(feed, "FRESH_SECONDS", 0.0)

    async def scenario(told: Told, feeds: Feeds) -> None:
        pair = feeds.pair("told", PAIR)
        told.said.put_nowait(BookUpdate(book(1, 2)))
        assert await pair.until(lambda: pair.state == "live", 30)
        assert feeds.book("told", PAIR) is None

    play(scenario)


def test_trades_told_while_the_recent_ones_are_asked_for_come_after_them() -> None:
    async def scenario(told: Told, feeds: Feeds) -> None:
        pair = feeds.pair("told", PAIR)
        told.recent = [trade(1), trade(2), trade(3)]
        told.may_answer.clear()
        told.said.put_nowait(FeedConnected())
        told.said.put_nowait(TradesUpdate(PAIR, (trade(3), trade(4))))
        told.said.put_nowait(BookUpdate(book(1, 2)))
        assert await pair.until(lambda: pair.is_fresh, 30)
        assert pair.tape.latest(10) == []
        told.may_answer.set()
        assert await pair.until(lambda: pair.tape.end > 0, 30)
        assert pair.tape.latest(10) == [trade(number) for number in (1, 2, 3, 4)]
        assert pair.tape.begin == 3

    play(scenario)


def test_what_happened_while_the_stream_was_lost_is_asked_for() -> None:
    async def scenario(told: Told, feeds: Feeds) -> None:
        pair = feeds.pair("told", PAIR)
        told.recent = [trade(1)]
        told.said.put_nowait(FeedConnected())
        assert await pair.until(lambda: pair.tape.end == 1, 30)
        told.said.put_nowait(TradesUpdate(PAIR, (trade(2),)))
        told.said.put_nowait(FeedLost())
        assert await pair.until(lambda: pair.tape.end == 2, 30)
        told.recent = [trade(1), trade(2), trade(3)]
        told.said.put_nowait(FeedConnected())
        assert await pair.until(lambda: pair.tape.end == 3, 30)
        assert pair.tape.latest(10) == [trade(1), trade(2), trade(3)]
        assert pair.tape.begin == 1  # The third is news to those who listened before.

    play(scenario)


@pytest.mark.parametrize("error", [VenueUnreachable("gone"), ValueError("a fault of ours")])
def test_a_stream_that_ends_is_begun_again(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "PAUSES_SECONDS", (0.0, 0.0))

    async def scenario(told: Told, feeds: Feeds) -> None:
        pair = feeds.pair("told", PAIR)
        told.said.put_nowait(BookUpdate(book(1, 2)))
        told.said.put_nowait(error)
        told.said.put_nowait(BookUpdate(book(3, 4)))
        assert await pair.until(lambda: pair.book == book(3, 4), 30)
        assert told.watched == 2

    play(scenario)


def test_what_the_venue_refuses_is_over_and_may_be_asked_for_anew() -> None:
    async def scenario(told: Told, feeds: Feeds) -> None:
        first = feeds.pair("told", PAIR)
        told.said.put_nowait(VenueRefused("unknown_pair", "no such"))
        assert await first.until(lambda: first.is_over, 30)
        assert (first.state, first.refusal) == ("refused", "unknown_pair: no such")
        assert feeds.of() == []
        assert feeds.pair("told", PAIR) is not first

    play(scenario)


def test_what_has_no_stream_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "POLL_SECONDS", 0.0)

    async def scenario(told: Told, feeds: Feeds) -> None:
        told.recent = [trade(1)]
        pair = feeds.pair("told", PAIR)
        told.said.put_nowait(VenueRefused("not_supported", "no streams"))
        assert await pair.until(lambda: pair.book_number > 3, 30)
        assert pair.is_fresh
        assert pair.tape.latest(10) == [trade(1)]

    play(scenario)


def test_a_restart_connects_anew_for_the_same_listeners() -> None:
    async def scenario(told: Told, feeds: Feeds) -> None:
        pair = feeds.pair("told", PAIR)
        pair.listeners += 1
        told.said.put_nowait(BookUpdate(book(1, 2)))
        assert await pair.until(lambda: pair.is_fresh, 30)
        assert await feeds.restart("told") == [PAIR]
        assert feeds.book("told", PAIR) is None
        told.said.put_nowait(BookUpdate(book(3, 4)))
        assert await pair.until(lambda: pair.is_fresh, 30)
        assert (feeds.pair("told", PAIR) is pair, told.watched) == (True, 2)
        pair.listeners -= 1

    play(scenario)


def test_a_connector_that_there_is_not_has_no_feed() -> None:
    async def scenario(_: Told, feeds: Feeds) -> None:
        with pytest.raises(NoVenue, match="nowhere"):
            feeds.pair("nowhere", PAIR)
        assert feeds.of() == []

    play(scenario)


def test_of_feeds_that_nobody_hears_the_one_asked_for_longest_ago_makes_room() -> None:
    async def scenario(_: Told, feeds: Feeds) -> None:
        for pair in ("A-A", "B-B", "C-C"):
            feeds.pair("told", pair)
        feeds.book("told", "A-A")
        feeds.pair("told", "D-D")
        assert {each.pair for each in feeds.of()} == {"A-A", "C-C", "D-D"}

    play(scenario, feeds_max=3)


def test_candles_are_asked_for_from_the_last_one_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(candle_feed, "POLL_SECONDS", 0.0)

    async def scenario(told: Told, feeds: Feeds) -> None:
        told.rows = [row(1), row(2)]
        found = feeds.candles_of("told", PAIR, "1m", 50)
        assert await found.until(lambda: found.number == 1, 30)
        told.rows = [row(1), row(2, "2"), row(3)]
        assert await found.until(lambda: found.rows_number == 3, 30)
        assert feeds.candles("told", PAIR, "1m", 2) == (row(2, "2"), row(3))
        assert told.asked[:2] == ["candles from None, 100", "candles from 2, 100"]

    play(scenario)


def test_who_wants_more_candles_gets_them_and_who_wants_too_many_harms_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(candle_feed, "POLL_SECONDS", 0.0)

    async def scenario(told: Told, feeds: Feeds) -> None:
        told.rows = [row(number) for number in range(1, 301)]
        found = feeds.candles_of("told", PAIR, "1m", 10)
        assert await found.until(lambda: found.number == 1, 30)
        assert len(found.latest(1000)) == 100
        feeds.candles_of("told", PAIR, "1m", 250)
        assert await found.until(lambda: len(found.latest(1000)) == 250, 30)
        told.refusal = VenueRefused("too_many", "100 at most")
        feeds.candles_of("told", PAIR, "1m", 1000)
        while "candles from None, 1000" not in told.asked[:-1]:  # noqa: ASYNC110 - no news of it
            await asyncio.sleep(0.01)
        asked = told.asked.index("candles from None, 1000")
        assert told.asked[asked + 1] == "candles from None, 100"
        assert found.state == "live"
        assert len(found.latest(1000)) == 250

    play(scenario)


def test_candles_that_the_venue_has_not_are_refused() -> None:
    async def scenario(told: Told, feeds: Feeds) -> None:
        told.refusal = VenueRefused("bad_interval", "7m")
        found = feeds.candles_of("told", PAIR, "7m", 10)
        assert await found.until(lambda: found.is_over, 30)
        assert found.refusal == "bad_interval: 7m"

    play(scenario)
