"""What one connection has asked to hear: when it is due, and the frames that are due then.

Nothing is queued for a client. Each time it is due it gets what is so now, so a slow one costs no
memory; what it did not get because it was slow is counted and told in a `dropped` frame.
"""

import math
from typing import Annotated, Literal, Protocol

from msgspec import Meta, Struct

from api.http.decoding import NAME
from api.market import frames
from api.market.candle_feed import ROWS_MAX, CandleFeed
from api.market.feed import Feed
from api.market.feeds import AnyFeed, Feeds

INTERVAL_SECONDS = (0.25, 60.0)
DEPTH_MAX = 1_000
FIRST_LOOK_SECONDS = 0.25
Connector = Annotated[str, Meta(pattern=NAME)]
Pair = Annotated[str, Meta(pattern=r"^[^\s/?#]{1,64}$(?!\n)")]


class Subscribe(Struct, kw_only=True):
    """What may be asked for; fields that a type does not use are passed over."""

    type: Literal["order_book", "trades", "candles"]
    connector: Connector
    trading_pair: Pair
    update_interval: float = 1.0
    depth: Annotated[int, Meta(ge=1, le=DEPTH_MAX)] = 10
    interval: Annotated[str, Meta(max_length=8)] = "1m"
    max_records: Annotated[int, Meta(ge=1)] = 100


class Subscription(Protocol):
    id: str
    feed: AnyFeed

    @property
    def due(self) -> float:
        """By the loop's clock."""

    dropped: int
    """Frames, or trades, that the client was too slow for."""

    def take(self, now: float) -> list[str]:
        """The frames that are due; sets when the next ones are."""


class _Clock:
    """Due at whole multiples of the interval, so that equal subscriptions share their frames.

    Until the first frame it looks more often: nobody waits a minute for the first book.
    """

    def __init__(self, interval_seconds: float, now: float) -> None:
        low, high = INTERVAL_SECONDS
        is_number = not math.isnan(interval_seconds)
        self.seconds = min(high, max(low, interval_seconds)) if is_number else low
        self.due = now

    def next(self, now: float, *, is_first: bool) -> int:
        """Set the next time; answers how many were missed since this one was due."""
        missed = int((now - self.due) / self.seconds)
        if is_first:
            self.due = now + FIRST_LOOK_SECONDS
            return 0
        self.due = (math.floor(now / self.seconds) + 1) * self.seconds
        return missed


class _Books:
    def __init__(self, subscription_id: str, feed: Feed, clock: _Clock, depth: int) -> None:
        self.id = subscription_id
        self.feed: AnyFeed = feed
        self._feed = feed
        self.dropped = 0
        self._clock = clock
        self._depth = depth
        self._number = -1
        self._told = 0

    @property
    def due(self) -> float:
        return self._clock.due

    def take(self, now: float) -> list[str]:
        feed, number = self._feed, self._feed.book_number
        book = feed.book
        is_new = book is not None and number != self._number
        missed = self._clock.next(now, is_first=book is None)
        if book is None or not is_new:
            return []
        dropped = min(missed, number - self._number - 1) if self._number >= 0 else 0
        self._number = number
        content = feed.text(
            ("book", self._depth),
            lambda: frames.data(
                "order_book", self.id, frames.book_sides(book, self._depth), feed.book_at
            ),
        )
        # Another book may be the same to this depth.
        shown = hash(content[: content.rindex('"timestamp"')])
        if shown == self._told:
            return []
        self._told = shown
        return [*_dropped(self, dropped), content]


class _Trades:
    def __init__(self, subscription_id: str, feed: Feed, clock: _Clock) -> None:
        self.id = subscription_id
        self.feed: AnyFeed = feed
        self._tape = feed.tape
        self.dropped = 0
        self._clock = clock
        self._number = feed.tape.end

    @property
    def due(self) -> float:
        return self._clock.due

    def take(self, now: float) -> list[str]:
        self._clock.next(now, is_first=False)
        begin = max(self._number, self._tape.begin)
        end = self._number = self._tape.end
        if begin >= end:
            return []
        found, lost = self._tape.since(begin)
        content = self.feed.text(
            ("trades", begin, end),
            lambda: frames.data("trades", self.id, frames.trade_rows(found), frames.now()),
        )
        return [*_dropped(self, lost), content]


class _Candles:
    def __init__(
        self, subscription_id: str, feed: CandleFeed, clock: _Clock, max_records: int
    ) -> None:
        self.id = subscription_id
        self.feed: AnyFeed = feed
        self._feed = feed
        self.dropped = 0
        self._clock = clock
        self._max_records = max_records
        self._rows_number = -1

    @property
    def due(self) -> float:
        return self._clock.due

    def take(self, now: float) -> list[str]:
        feed = self._feed
        missed = self._clock.next(now, is_first=not feed.number)
        if not feed.number:
            return []
        is_new_row = feed.rows_number != self._rows_number
        is_first = self._rows_number < 0
        self._rows_number = feed.rows_number
        if not is_new_row and not feed.is_fresh:
            return []  # The same again would look as if it were so now.
        if is_new_row:
            content = feed.text(("candles", self._max_records), self._all)
        else:
            content = feed.text("candle_update", self._last)
        return [*_dropped(self, 0 if is_first else missed), content]

    def _all(self) -> str:
        rows = frames.candle_rows(self._feed.latest(self._max_records))
        return frames.data("candles", self.id, rows, frames.now())

    def _last(self) -> str:
        rows = frames.candle_rows(self._feed.latest(1))
        return frames.data("candle_update", self.id, rows[0] if rows else None, frames.now())


def _dropped(of: Subscription, count: int) -> list[str]:
    if not count:
        return []
    of.dropped += count
    text = "There was more than this client took in time."
    return [frames.frame("dropped", subscription_id=of.id, count=count, message=text)]


def id_of(asked: Subscribe) -> str:
    end = f"_{asked.interval}" if asked.type == "candles" else ""
    return f"{asked.type}_{asked.connector}_{asked.trading_pair}{end}"


def subscription(feeds: Feeds, asked: Subscribe, now: float) -> Subscription:
    """Starts the feed where none runs. Raises NoVenue and TooManyFeeds."""
    connector, pair = asked.connector, asked.trading_pair
    clock = _Clock(asked.update_interval, now)
    if asked.type == "candles":
        rows = min(asked.max_records, ROWS_MAX)
        feed = feeds.candles_of(connector, pair, asked.interval, rows)
        return _Candles(id_of(asked), feed, clock, rows)
    pair_feed = feeds.pair(connector, pair)
    if asked.type == "order_book":
        return _Books(id_of(asked), pair_feed, clock, asked.depth)
    return _Trades(id_of(asked), pair_feed, clock)
