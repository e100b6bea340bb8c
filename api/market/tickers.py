"""The pool of tickers: all of a connector at once, kept as long as somebody reads them.

Connectors are in the pool whose tickers were asked for, or whose trading rules are in use; one that
nobody has read for an hour leaves it. Nothing is fetched unless somebody asks.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Iterable, Mapping

from msgspec import Struct

from adapters.venues.port import Ticker, VenueRefused, VenueUnreachable
from adapters.venues.registry import NoVenue
from api.market.flights import Flights
from api.market.venues import Venues

_log = logging.getLogger(__name__)
FRESH_SECONDS = 60.0
"""How old tickers may be where nobody says otherwise."""
FETCH_SECONDS = 20.0
POOL_SECONDS = 3.0
"""How long readers of the whole pool wait for it to be fresh."""
IDLE_SECONDS = 3600.0
RETRY_SECONDS = 5.0
"""So long a connector that failed is not asked again by readers of the whole pool."""
_AT_ONCE = 4


class Pooled(Struct):
    tickers: Mapping[str, Ticker]
    """By pair."""
    updated_at: float | None = None
    """Unix seconds."""
    fetched_at: float = float("-inf")
    """By the monotonic clock; of the last success."""
    tried_at: float = float("-inf")
    read_at: float = float("-inf")
    error: Exception | None = None
    """Of the last fetch; None when it went well."""


class Tickers:
    def __init__(self, venues: Venues, in_use: Callable[[], Iterable[str]]) -> None:
        """`in_use` are connectors that belong to the pool although nobody asked for tickers yet."""
        self.version = 0
        """Grows with every change of the pool."""
        self._venues = venues
        self._in_use = in_use
        self._pool: dict[str, Pooled] = {}
        self._flights = Flights[None]()
        self._fetching = asyncio.Semaphore(_AT_ONCE)

    async def close(self) -> None:
        await self._flights.close()

    async def of(
        self, connectors: Collection[str], max_age: float = FRESH_SECONDS
    ) -> Mapping[str, Pooled]:
        """Tickers of these, at most so old; one that failed keeps its old ones and says why.

        Raises NoVenue before anything is fetched. An age of 0 or less: fetched anew.
        """
        for name in connectors:
            self._venues.check(name)
        now = time.monotonic()
        stale = [name for name in connectors if self._entry(name).fetched_at <= now - max_age]
        await asyncio.gather(*(self._fetched(name) for name in stale))
        return {name: self._entry(name) for name in connectors}

    async def pool(self, max_age: float = FRESH_SECONDS) -> Mapping[str, Pooled]:
        """Everything there is, at most so old where the venues answer.

        A venue that is slow holds nobody up: its tickers are there the next time. An age of 0 or
        less waits for all.
        """
        self._drop_idle()
        known = [*self._pool, *(name for name in self._in_use() if name not in self._pool)]
        now = time.monotonic()
        due = [
            name
            for name in known
            if self._entry(name).fetched_at <= now - max_age
            and (max_age <= 0 or self._entry(name).tried_at <= now - RETRY_SECONDS)
        ]
        fetches = [asyncio.create_task(self._fetched(name)) for name in due]
        if fetches:
            await asyncio.wait(fetches, timeout=POOL_SECONDS if max_age > 0 else None)
        for fetch in fetches:
            fetch.cancel()  # What is under way goes on by itself.
        return {name: self._entry(name) for name in known}

    def ages(self) -> Iterable[tuple[str, float]]:
        now = time.monotonic()
        for name, pooled in self._pool.items():
            if pooled.updated_at is not None:
                yield name, now - pooled.fetched_at

    def _entry(self, name: str) -> Pooled:
        entry = self._pool.get(name)
        if entry is None:
            entry = self._pool[name] = Pooled({})
        entry.read_at = time.monotonic()
        return entry

    async def _fetched(self, name: str) -> None:
        await self._flights.join(name, lambda: self._fetch(name))

    async def _fetch(self, name: str) -> None:
        entry = self._entry(name)
        try:
            async with self._fetching, asyncio.timeout(FETCH_SECONDS):
                entry.tried_at = time.monotonic()
                async with self._venues.use(name) as venue:
                    found = await venue.tickers()
        except (NoVenue, VenueRefused, VenueUnreachable) as error:
            entry.error = error
        except TimeoutError:
            entry.error = VenueUnreachable(f"no answer within {FETCH_SECONDS:.0f} s")
        except Exception:  # noqa: BLE001 - one connector's fault is none of the others'
            _log.exception("Fetching the tickers of %s failed", name)
            entry.error = VenueUnreachable("its tickers could not be read, which was logged")
        else:
            entry.tickers = {ticker.pair: ticker for ticker in found}
            entry.updated_at = time.time()
            entry.fetched_at = entry.tried_at
            entry.error = None
            self.version += 1

    def _drop_idle(self) -> None:
        since = time.monotonic() - IDLE_SECONDS
        for name in [name for name, entry in self._pool.items() if entry.read_at < since]:
            del self._pool[name]
            self.version += 1
