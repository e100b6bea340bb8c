"""When a subscription is due, what it then says, and how it counts what a slow client missed."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from adapters.venues.market_port import BookUpdate, FeedConnected, TradesUpdate
from adapters.venues.port import Candle
from api.market import candle_feed
from api.market.feed import Feed
from api.market.feeds import Feeds
from api.market.subscriptions import Subscribe, Subscription, subscription
from api.market.tape import KEPT
from tests.market_feeds.scripted import PAIR, Told, book, trade, venues

Scenario = Callable[[Told, Feeds], Awaitable[None]]


def play(scenario: Scenario) -> None:
    async def run() -> None:
        told = Told()
        feeds = Feeds(venues(told), idle_seconds=60, cleanup_seconds=60, feeds_max=10)
        try:
            async with asyncio.timeout(60):
                await scenario(told, feeds)
        finally:
            await feeds.close()

    asyncio.run(run())


def asked(kind: str, **fields: Any) -> Subscribe:
    return msgspec.convert(
        {"type": kind, "connector": "told", "trading_pair": PAIR, "update_interval": 1.0} | fields,
        Subscribe,
    )


def heard(subscribed: Subscription, now: float) -> list[dict[str, Any]]:
    return [json.loads(text) for text in subscribed.take(now)]


async def books(told: Told, feed: Feed, *bids: int) -> None:
    """Tell so many books, one after the other."""
    expected = feed.book_number + len(bids)
    for bid in bids:
        told.said.put_nowait(BookUpdate(book(bid, bid + 10, depth=5)))
    assert await feed.until(lambda: feed.book_number == expected, 30)


@pytest.mark.parametrize(
    ("wanted", "seconds"),
    [(1, 1), (0, 0.25), (-5, 0.25), (3600, 60), (0.3, 0.3), (float("inf"), 60)],
)
def test_the_interval_stays_between_its_limits(wanted: float, seconds: float) -> None:
    async def scenario(told: Told, feeds: Feeds) -> None:
        made = subscription(feeds, asked("order_book", update_interval=wanted), 1000.0)
        feed = feeds.pair("told", PAIR)
        await books(told, feed, 1)
        assert made.due == 1000.0
        made.take(1000.0)
        assert 1000.0 < made.due <= 1000.0 + seconds
        first = made.due
        made.take(first)
        assert made.due == pytest.approx(first + seconds)

    play(scenario)


def test_what_is_wanted_equally_is_encoded_once() -> None:
    async def scenario(told: Told, feeds: Feeds) -> None:
        one, other = (subscription(feeds, asked("order_book"), 0.0) for _ in range(2))
        deeper = subscription(feeds, asked("order_book", depth=3), 0.0)
        await books(told, feeds.pair("told", PAIR), 100)
        (text,) = one.take(1.0)
        assert other.take(1.0)[0] is text
        assert len(json.loads(deeper.take(1.0)[0])["data"]["bids"]) == 3
        assert one.due == other.due == deeper.due

    play(scenario)


def test_a_change_below_the_depth_is_no_change() -> None:
    async def scenario(told: Told, feeds: Feeds) -> None:
        made = subscription(feeds, asked("order_book", depth=1), 0.0)
        feed = feeds.pair("told", PAIR)
        told.said.put_nowait(BookUpdate(book(100, 110, depth=2)))
        assert await feed.until(lambda: feed.book_number == 1, 30)
        assert len(heard(made, 1.0)) == 1
        told.said.put_nowait(BookUpdate(book(100, 110, depth=3)))
        assert await feed.until(lambda: feed.book_number == 2, 30)
        assert heard(made, 2.0) == []
        await books(told, feed, 101)
        assert len(heard(made, 3.0)) == 1

    play(scenario)


def test_a_client_in_time_gets_the_latest_book_and_no_notice() -> None:
    async def scenario(told: Told, feeds: Feeds) -> None:
        made = subscription(feeds, asked("order_book"), 0.0)
        feed = feeds.pair("told", PAIR)
        await books(told, feed, 100)
        heard(made, 1.0)
        await books(told, feed, 101, 102, 103)
        (frame,) = heard(made, 2.0)
        assert frame["data"]["bids"][0] == [103.0, 1.0]
        assert made.dropped == 0

    play(scenario)


def test_a_late_client_hears_how_many_books_it_would_have_got() -> None:
    async def scenario(told: Told, feeds: Feeds) -> None:
        made = subscription(feeds, asked("order_book"), 0.0)
        feed = feeds.pair("told", PAIR)
        await books(told, feed, 100)
        heard(made, 1.0)  # Due again at 2.
        await books(told, feed, *range(101, 111))
        notice, frame = heard(made, 5.5)
        assert (notice["type"], notice["subscription_id"]) == ("dropped", f"order_book_told_{PAIR}")
        assert notice["count"] == made.dropped == 3
        assert frame["data"]["bids"][0][0] == 110.0
        await books(told, feed, 200)
        (_,) = heard(made, 9.0)  # One book, and it is here: none was missed.

    play(scenario)


def test_trades_are_batched_from_the_subscription_on() -> None:
    async def scenario(told: Told, feeds: Feeds) -> None:
        told.recent = [trade(1), trade(2)]
        early = subscription(feeds, asked("trades"), 0.0)
        feed = feeds.pair("told", PAIR)
        told.said.put_nowait(FeedConnected())
        assert await feed.until(lambda: feed.tape.end == 2, 30)
        assert heard(early, 1.0) == []
        told.said.put_nowait(TradesUpdate(PAIR, (trade(3), trade(4))))
        assert await feed.until(lambda: feed.tape.end == 4, 30)
        (frame,) = heard(early, 2.0)
        assert frame["data"] == [
            {"timestamp": number / 1e6, "price": 3.0, "amount": 2.0, "side": "sell"}
            for number in (3, 4)
        ]
        assert heard(early, 3.0) == []
        late = subscription(feeds, asked("trades"), 3.0)
        assert heard(late, 3.0) == []

    play(scenario)


def test_trades_that_no_longer_are_kept_are_counted() -> None:
    async def scenario(told: Told, feeds: Feeds) -> None:
        made = subscription(feeds, asked("trades"), 0.0)
        feed = feeds.pair("told", PAIR)
        many = tuple(trade(number) for number in range(KEPT + 7))
        told.said.put_nowait(TradesUpdate(PAIR, many))
        assert await feed.until(lambda: feed.tape.end == KEPT + 7, 30)
        notice, frame = heard(made, 1.0)
        assert (notice["type"], notice["count"]) == ("dropped", 7)
        assert len(frame["data"]) == KEPT

    play(scenario)


def test_candles_come_whole_with_a_new_row_and_alone_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(candle_feed, "POLL_SECONDS", 0.0)

    def row(start: int, close: int) -> Candle:
        price = Decimal(close)
        return Candle(
            start_us=start * 60_000_000,
            open=price,
            high=price,
            low=price,
            close=price,
            volume=Decimal(1),
        )

    async def scenario(told: Told, feeds: Feeds) -> None:
        told.rows = [row(1, 1), row(2, 2), row(3, 3)]
        made = subscription(feeds, asked("candles", max_records=2), 0.0)
        feed = feeds.candles_of("told", PAIR, "1m", 2)
        assert await feed.until(lambda: feed.number == 1, 30)
        (whole,) = heard(made, 1.0)
        assert (whole["type"], [each["timestamp"] for each in whole["data"]]) == (
            "candles",
            [120.0, 180.0],
        )
        (update,) = heard(made, 2.0)
        assert (update["type"], update["data"]["close"]) == ("candle_update", 3.0)
        told.rows[-1] = row(3, 4)
        assert await feed.until(lambda: feed.number == 2, 30)
        (update,) = heard(made, 3.0)
        assert (update["type"], update["data"]["close"]) == ("candle_update", 4.0)
        told.rows.append(row(4, 5))
        assert await feed.until(lambda: feed.number == 3, 30)
        (whole,) = heard(made, 4.0)
        assert (whole["type"], len(whole["data"])) == ("candles", 2)

    play(scenario)
