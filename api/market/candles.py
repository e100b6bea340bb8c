"""Candles: those that are kept, those that are fetched to be kept, and the one under way.

Rows are JSON made by Postgres, so that a month of minutes costs this process no decoding.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from weakref import WeakValueDictionary

import msgspec
from msgspec import Struct, structs

from adapters.postgres.candles import (
    ARCHIVED,
    NEWEST,
    OLDEST,
    ONE_BY_ONE,
    SPANS,
    Series,
    saving,
)
from adapters.venues.market_port import PublicVenue
from adapters.venues.port import Candle
from api.market.archived_candles import YOUNGEST_ARCHIVED_US, Old, merged
from api.market.flights import Flights
from api.market.history import PAGE, after, closed_before, fetch, gaps
from api.market.intervals import LENGTHS, Length
from api.market.venues import Venues

LIMIT_SECONDS = 28.0
KEPT_SECONDS = 1.0
_KEPT_MAX = 500
_FETCHING_MAX = 24
_FETCHING_OF_VENUE_MAX = 4
"""Fewer, so that one that does not answer holds up no other."""

Live = Callable[[str, str, str, int], Sequence[Candle] | None]
"""The latest of a running feed: connector, pair, interval, how many. None without a fresh one."""
Read = Callable[[str, Mapping[str, object]], Any]
"""Awaits the rows of a query."""


class NoInterval(ValueError):  # noqa: N818 - says what is so
    """The venue has no candles of that length; str() names those it has."""


class Rows(Struct, frozen=True):
    count: int
    json: bytes
    """An array."""


class CandleRow(Struct, frozen=True):
    timestamp: float
    """Of its beginning, in Unix seconds."""
    open: float
    high: float
    low: float
    close: float
    volume: float
    quote_asset_volume: float
    """0 where the venue does not tell it, as in the columns that follow."""
    n_trades: float
    taker_buy_base_volume: float
    taker_buy_quote_volume: float


class _Tail(Struct, frozen=True):
    candles: Sequence[Candle]
    start_us: int
    read_at: float


class Candles:
    def __init__(
        self,
        venues: Venues,
        read: Read,
        dsn: str,
        live: Live,
        now_us: Callable[[], int] = lambda: time.time_ns() // 1_000,
        old: Old | None = None,
    ) -> None:
        self.now_us = now_us
        self._venues = venues
        self._read = read
        self._dsn = dsn
        self._live = live
        self._old = old
        self._locks: WeakValueDictionary[Series, asyncio.Lock] = WeakValueDictionary()
        self._fetching = asyncio.Semaphore(_FETCHING_MAX)
        self._fetching_of: dict[str, asyncio.Semaphore] = {}
        self._tails: OrderedDict[Series, _Tail] = OrderedDict()
        self._flights = Flights[_Tail]()

    async def close(self) -> None:
        await self._flights.close()

    async def rows(
        self, series: Series, start_us: int, end_us: int, rows_max: int, *, newest: bool
    ) -> Rows:
        """Candles that begin in the span, at most `rows_max` from its one end or the other.

        Raises TimeoutError (what was fetched so far is kept), NoInterval, NoVenue, VenueRefused,
        VenueUnreachable.
        """
        async with asyncio.timeout(LIMIT_SECONDS), self._venues.use(series.connector) as venue:
            length = length_of(venue, series.interval)
            now_us = self.now_us()
            reached_us = await self._fill(venue, series, length, start_us, end_us, now_us)
            tail: Sequence[Candle] = ()
            if reached_us < end_us and reached_us <= now_us:
                tail = await self._under_way(venue, series, length, reached_us, now_us)
                tail = [c for c in tail if start_us <= c.start_us < end_us][-rows_max:]
            kept_max = rows_max - len(tail) if newest else rows_max
            kept, text = await self._kept(
                series, start_us, min(end_us, reached_us), kept_max, newest=newest
            )
            tail = tail[: rows_max - kept]
        parts = [part for part in (text.encode(), _encoded(tail)) if part]
        return Rows(kept + len(tail), b"[%b]" % b",".join(parts))

    async def _kept(
        self, series: Series, start_us: int, end_us: int, rows_max: int, *, newest: bool
    ) -> tuple[int, str]:
        """How many, and their JSON with commas between. Raises LakeUnavailable for old ones."""
        asked = {
            **structs.asdict(series),
            "start_us": start_us,
            "end_us": end_us,
            "rows_max": rows_max,
        }
        is_old = start_us < self.now_us() - YOUNGEST_ARCHIVED_US
        archived = await self._read(ARCHIVED, asked) if self._old and is_old else ()
        if not archived or self._old is None:
            found = (await self._read(NEWEST if newest else OLDEST, asked))[0]
            archived = await self._read(ARCHIVED, asked) if self._old and is_old else ()
            if not archived or self._old is None:
                return int(found[0]), str(found[1])
        # In this order: what is moved to the lake meanwhile is then found in both, not in neither.
        young = await self._read(ONE_BY_ONE, asked)
        archived = await self._read(ARCHIVED, asked) or archived
        old = await self._old(series, start_us, min(end_us, archived[0][0]))
        return merged(old, young, rows_max, newest=newest)

    async def _fill(
        self,
        venue: PublicVenue,
        series: Series,
        length: Length,
        start_us: int,
        end_us: int,
        now_us: int,
    ) -> int:
        """Answer the time up to which all that there is of the span is kept."""
        wanted_us = min(end_us, closed_before(length, now_us))
        if start_us >= wanted_us:
            return start_us
        spans = await self._spans(series, start_us, end_us)
        if gaps(spans, start_us, wanted_us):
            lock = self._locks.setdefault(series, asyncio.Lock())
            of_venue = self._fetching_of.setdefault(
                series.connector, asyncio.Semaphore(_FETCHING_OF_VENUE_MAX)
            )
            async with lock, of_venue, self._fetching:
                # Another one may have fetched meanwhile what is missing here.
                missing = gaps(await self._spans(series, start_us, end_us), start_us, wanted_us)
                if missing:
                    async with saving(self._dsn, series, has_lake=self._old is not None) as save:
                        for gap in missing:
                            await fetch(
                                venue, series.pair, series.interval, length, gap, now_us, save
                            )
            spans = await self._spans(series, start_us, end_us)
        reached_us = start_us
        for begin, end in spans:
            if begin <= reached_us:
                reached_us = max(reached_us, end)
        return reached_us

    async def _spans(self, series: Series, start_us: int, end_us: int) -> list[tuple[int, int]]:
        asked = {**structs.asdict(series), "start_us": start_us, "end_us": end_us}
        return list(await self._read(SPANS, asked))

    async def _under_way(
        self, venue: PublicVenue, series: Series, length: Length, start_us: int, now_us: int
    ) -> Sequence[Candle]:
        """What is not closed for certain yet, from `start_us` on; at most a second old."""
        limit = min(PAGE, (now_us - start_us) // length.least_us + 2)
        live = self._live(series.connector, series.pair, series.interval, limit)
        if live and live[0].start_us <= start_us:
            return after(start_us, live)
        tail = self._tails.get(series)
        is_old = tail is None or time.monotonic() - tail.read_at > KEPT_SECONDS
        if tail is None or is_old or tail.start_us > start_us:

            async def ask() -> _Tail:
                began_at = time.monotonic()
                found = await venue.candles(series.pair, series.interval, start_us, limit)
                return _Tail(after(start_us, found), start_us, began_at)

            tail = await self._flights.join((series, start_us), ask)
            self._tails[series] = tail
            self._tails.move_to_end(series)
            while len(self._tails) > _KEPT_MAX:
                self._tails.popitem(last=False)
        return [candle for candle in tail.candles if candle.start_us >= start_us]


def length_of(venue: PublicVenue, interval: str) -> Length:
    if interval not in venue.intervals or interval not in LENGTHS:
        known = ", ".join(name for name in LENGTHS if name in venue.intervals)
        raise NoInterval(
            f"{venue.name!r} has no candles of {interval!r}; it has: {known}."
            if known
            else f"{venue.name!r} has no candles."
        )
    return LENGTHS[interval]


def _encoded(candles: Sequence[Candle]) -> bytes:
    rows = [
        CandleRow(
            candle.start_us / 1_000_000,
            *(float(getattr(candle, name) or 0) for name in Candle.__struct_fields__[1:]),
        )
        for candle in candles
    ]
    return msgspec.json.encode(rows)[1:-1]
