"""The live feeds of this process: each starts when somebody asks for it and stops when nobody does.

One feed a connector and pair, whoever listens, and one for each interval of its candles. There are
only so many at a time: for a new one the one that nobody listens to and was asked for longest ago
makes room.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TypeVar

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from adapters.venues.market_port import PublicTrade
from adapters.venues.port import Candle, OrderBook
from api.market.candle_feed import CandleFeed, Pace
from api.market.feed import Feed
from api.market.venues import Venues

AnyFeed = Feed | CandleFeed
_Kind = TypeVar("_Kind", Feed, CandleFeed)


class TooManyFeeds(Exception):  # noqa: N818 - says what is so
    """As many feeds as may run are listened to; str() says how many."""


class Feeds:
    def __init__(
        self, venues: Venues, *, idle_seconds: float, cleanup_seconds: float, feeds_max: int
    ) -> None:
        self._venues = venues
        self._idle_seconds = idle_seconds
        self._cleanup_seconds = cleanup_seconds
        self._feeds_max = feeds_max
        self._feeds: dict[str, AnyFeed] = {}
        self._paces: dict[str, Pace] = {}
        self._stopping: set[asyncio.Task[None]] = set()
        self._sweeper: asyncio.Task[None] | None = None
        self._ended = Counter[str]()
        self._updates = Counter[str]()

    def start(self) -> None:
        self._sweeper = asyncio.create_task(self._sweep(), name="feeds")

    async def close(self) -> None:
        if self._sweeper is not None:
            self._sweeper.cancel()
        for key in list(self._feeds):
            self._stop(key, "closed")
        await asyncio.gather(*self._stopping)

    # What is asked for starts its feed, and counts as use of it.

    def pair(self, connector: str, pair: str) -> Feed:
        """The feed of book and trades. Raises NoVenue and TooManyFeeds."""
        key = f"order_book_{connector}_{pair}"
        found = self._running(key, Feed)
        return found or self._begin(Feed(self._venues, connector, pair))

    def candles_of(self, connector: str, pair: str, interval: str, rows: int) -> CandleFeed:
        """The feed of at least so many rows. Raises NoVenue and TooManyFeeds."""
        key = f"candles_{connector}_{pair}_{interval}"
        found = self._running(key, CandleFeed)
        if found is None:
            pace = self._paces.setdefault(connector, Pace())
            found = self._begin(CandleFeed(self._venues, pace, connector, pair, interval))
        found.want(rows)
        return found

    # What is looked at is used, if it runs; it is not started.

    def book(self, connector: str, pair: str) -> OrderBook | None:
        """The book of a running feed, if it is fresh."""
        feed = self._running(f"order_book_{connector}_{pair}", Feed)
        return feed.book if feed is not None and feed.is_fresh else None

    def trades(self, connector: str, pair: str, limit: int) -> Sequence[PublicTrade] | None:
        """The latest of a running feed, oldest first; None where there is no fresh one."""
        feed = self._running(f"order_book_{connector}_{pair}", Feed)
        return feed.tape.latest(limit) if feed is not None and feed.is_fresh else None

    def candles(
        self, connector: str, pair: str, interval: str, limit: int
    ) -> tuple[Candle, ...] | None:
        """The latest of a running feed, oldest first; None where there is no fresh one."""
        feed = self._running(f"candles_{connector}_{pair}_{interval}", CandleFeed)
        return feed.latest(limit) if feed is not None and feed.is_fresh else None

    def of(self, connector: str | None = None) -> list[AnyFeed]:
        """All that run, or those of one connector; that is no use of them."""
        return [
            feed
            for feed in self._feeds.values()
            if not feed.is_over and connector in (None, feed.connector)
        ]

    def remove(self, connector: str, pair: str) -> bool:
        """Stop the pair's feed, whoever listens; False where there is none."""
        self._stop_refused()
        key = f"order_book_{connector}_{pair}"
        if key not in self._feeds:
            return False
        self._stop(key, "removed")
        return True

    async def restart(self, connector: str) -> list[str]:
        """Begin the connector's pair feeds anew, for the same listeners; answers the pairs."""
        found = [feed for feed in self.of(connector) if isinstance(feed, Feed)]
        for feed in found:
            await feed.restart()
        return sorted(feed.pair for feed in found)

    def families(self) -> Iterable[Metric]:
        feeds = GaugeMetricFamily(
            "market_feeds", "Live feeds of this process.", labels=("kind", "state")
        )
        for (kind, state), count in sorted(Counter((f.kind, f.seen) for f in self.of()).items()):
            feeds.add_metric((kind, state), count)
        yield feeds
        updates = CounterMetricFamily(
            "market_feed_updates", "What venues told or answered feeds.", labels=("connector",)
        )
        totals = Counter(self._updates)
        for feed in self.of():
            totals[feed.connector] += feed.updates
        for connector, count in sorted(totals.items()):
            updates.add_metric((connector,), count)
        yield updates
        ended = CounterMetricFamily("market_feeds_ended", "Feeds that ended.", labels=("reason",))
        for reason, count in sorted(self._ended.items()):
            ended.add_metric((reason,), count)
        yield ended

    def _running(self, key: str, kind: type[_Kind]) -> _Kind | None:
        found = self._feeds.get(key)
        if not isinstance(found, kind):
            return None
        if found.is_over:  # What was refused may be asked for again.
            self._stop(key, "refused")
            return None
        found.touch()
        return found

    def _begin(self, feed: _Kind) -> _Kind:
        self._venues.check(feed.connector)
        self._stop_refused()
        if len(self._feeds) >= self._feeds_max:
            self._make_room()
        self._feeds[feed.key] = feed
        feed.start()
        return feed

    def _stop_refused(self) -> None:
        for key in [feed.key for feed in self._feeds.values() if feed.state == "refused"]:
            self._stop(key, "refused")

    def _make_room(self) -> None:
        idle = [feed for feed in self._feeds.values() if not feed.listeners]
        if not idle:
            text = f"{len(self._feeds)} feeds run, as many as may (AVIARY_FEEDS_MAX). Try later."
            raise TooManyFeeds(text)
        self._stop(min(idle, key=lambda feed: feed.asked_at).key, "displaced")

    def _stop(self, key: str, reason: str) -> None:
        feed = self._feeds.pop(key)
        self._ended[reason] += 1
        self._updates[feed.connector] += feed.updates
        feed.end(reason)
        task = asyncio.create_task(feed.stop())
        self._stopping.add(task)
        task.add_done_callback(self._stopping.discard)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(self._cleanup_seconds)
            self._stop_refused()
            for feed in self.of():
                if feed.idle_seconds >= self._idle_seconds:
                    self._stop(feed.key, "idle")
