"""A live feed of candles: the venue's own, asked for once a second.

They are not built from trades: the trades that were missed, and those before the first one seen,
are in the venue's volumes and not in ours. All candle feeds of a connector share a pace, so that
many of them are asked for more seldom instead of too often.
"""

import asyncio
import logging
import time
from collections import deque
from itertools import islice

from adapters.venues.market_port import PublicVenue
from adapters.venues.port import Candle, VenueRefused, VenueUnreachable
from api.market.feed import PAUSES_SECONDS
from api.market.following import Followed
from api.market.venues import Venues

_log = logging.getLogger(__name__)
ROWS_MAX = 1_000
ROWS_LEAST = 100
POLL_SECONDS = 1.0
_PACE_SECONDS = 0.2


class Pace:
    """At most five calls a second to one connector, in the order in which they were wanted."""

    def __init__(self, seconds: float = _PACE_SECONDS) -> None:
        self._seconds = seconds
        self._lock = asyncio.Lock()
        self._next_at = 0.0

    async def turn(self) -> None:
        async with self._lock:
            await asyncio.sleep(max(0.0, self._next_at - time.monotonic()))
            self._next_at = time.monotonic() + self._seconds


class CandleFeed(Followed):
    kind = "candles"

    def __init__(
        self, venues: Venues, pace: Pace, connector: str, pair: str, interval: str
    ) -> None:
        super().__init__(f"candles_{connector}_{pair}_{interval}", connector, pair)
        self.interval = interval
        self.rows_number = 0
        """Grows with every new row."""
        self.number = 0
        """Grows with every change."""
        self._venues = venues
        self._pace = pace
        self._rows: deque[Candle] = deque(maxlen=ROWS_LEAST)
        self._is_whole = False

    def latest(self, limit: int) -> tuple[Candle, ...]:
        """Oldest first; the last one may be under way."""
        return tuple(islice(self._rows, max(0, len(self._rows) - limit), None))

    def want(self, rows: int) -> None:
        """Keep that many from now on, if it was fewer."""
        rows = min(rows, ROWS_MAX)
        if rows > (self._rows.maxlen or 0):
            self._rows = deque(self._rows, maxlen=rows)
            self._is_whole = False

    async def run(self) -> None:
        pause, longest = PAUSES_SECONDS
        while not self.is_over:
            try:
                await self._pace.turn()
                await self._poll()
                pause = PAUSES_SECONDS[0]
                await asyncio.sleep(POLL_SECONDS)
                continue
            except VenueRefused as refusal:
                self.state, self.refusal = "refused", str(refusal)
            except VenueUnreachable as error:
                _log.warning("The feed %s is lost: %s", self.key, error)
            except Exception:  # noqa: BLE001 - logged, and it starts again
                _log.exception("The feed %s failed and starts again", self.key)
            if not self.is_over:
                self.state = "lost"
                self.tell()
                await asyncio.sleep(pause)
                pause = min(2 * pause, longest)
        self.tell()

    async def _poll(self) -> None:
        async with self._venues.use(self.connector) as venue:
            if self._is_whole and self._rows:
                start_us = self._rows[-1].start_us
                found = await venue.candles(self.pair, self.interval, start_us, ROWS_LEAST)
            else:
                found = await self._all(venue)
        if self.state != "live":
            self.connects += 1
        self.state = "live"
        self.updates += 1
        if self._merge(found):
            self.number += 1
            self.tell()

    async def _all(self, venue: PublicVenue) -> tuple[Candle, ...]:
        """As many as are wanted, or as the venue lets one have at once."""
        wanted = self._rows.maxlen or ROWS_LEAST
        self._is_whole = True
        try:
            found = await venue.candles(self.pair, self.interval, None, wanted)
        except VenueRefused:
            if wanted == ROWS_LEAST:
                raise
            found = await venue.candles(self.pair, self.interval, None, ROWS_LEAST)
        kept = len(self._rows)
        if len(found) > kept or (found and kept and found[0].start_us > self._rows[-1].start_us):
            self._rows.clear()
        return found

    def _merge(self, found: tuple[Candle, ...]) -> bool:
        """Whether anything is other than before."""
        is_changed = not self.number
        for candle in found:
            last = self._rows[-1] if self._rows else None
            if last is None or candle.start_us > last.start_us:
                self._rows.append(candle)
                self.rows_number += 1
                is_changed = True
            elif candle.start_us == last.start_us and candle != last:
                self._rows[-1] = candle
                is_changed = True
        return is_changed
