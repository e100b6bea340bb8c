"""A live feed of one pair at one venue: its latest book and its tape.

The surprising thing: a book that does not change is no sign of life. A book counts as fresh only
while something (a book, a trade) has come lately, so that one of a stream that died unnoticed is
soon nobody's answer.
"""

import asyncio
import logging
import time
from collections.abc import Sequence

from adapters.venues.market_port import (
    BookUpdate,
    FeedConnected,
    FeedLost,
    PublicTrade,
    PublicVenue,
    Topic,
    TradesUpdate,
)
from adapters.venues.port import OrderBook, VenueRefused, VenueUnreachable
from api.market.following import Followed
from api.market.tape import Tape
from api.market.venues import Venues

_log = logging.getLogger(__name__)
FRESH_SECONDS = 5.0
RECENT_TRADES = 100
RECENT_SECONDS = 5.0
POLL_SECONDS = 2.0
POLL_DEPTH = 100
PAUSES_SECONDS = (0.5, 10.0)
_TOPICS: tuple[Topic, ...] = ("book", "trades")


class Feed(Followed):
    kind = "order_book"

    def __init__(self, venues: Venues, connector: str, pair: str) -> None:
        super().__init__(f"order_book_{connector}_{pair}", connector, pair)
        self.tape = Tape()
        self.book: OrderBook | None = None
        self.book_number = 0
        """Grows with every book."""
        self.book_at = 0.0
        """Unix seconds at which the book came."""
        self._venues = venues
        self._seen_at = 0.0
        self._held: list[PublicTrade] | None = None
        self._recovery: asyncio.Task[None] | None = None

    @property
    def is_fresh(self) -> bool:
        return self.state == "live" and time.monotonic() - self._seen_at < FRESH_SECONDS

    async def run(self) -> None:
        """Follow the pair until cancelled, or until the venue says that it never will show it."""
        pause, longest = PAUSES_SECONDS
        while not self.is_over:
            connects = self.connects
            try:
                async with self._venues.use(self.connector) as venue:
                    await self._follow(venue)
            except VenueRefused as refusal:
                self.state, self.refusal = "refused", str(refusal)
            except VenueUnreachable as error:
                _log.warning("The feed %s is lost: %s", self.key, error)
            except Exception:  # noqa: BLE001 - logged, and it starts again
                _log.exception("The feed %s failed and starts again", self.key)
            finally:
                self._lose()
            if self.connects > connects:
                pause = PAUSES_SECONDS[0]
            if not self.is_over:
                await asyncio.sleep(pause)
                pause = min(2 * pause, longest)

    async def _follow(self, venue: PublicVenue) -> None:
        try:
            async for update in venue.watch(self.pair, _TOPICS):
                match update:
                    case FeedConnected():
                        self._connected(venue)
                    case FeedLost():
                        self._lose()
                    case BookUpdate(book):
                        self._take_book(book)
                    case TradesUpdate(_, trades):
                        self._take_trades(trades)
        except VenueRefused as refusal:
            if refusal.code != "not_supported":
                raise
            await self._poll(venue)

    async def _poll(self, venue: PublicVenue) -> None:
        """Ask again and again what the venue has no stream of."""
        self.connects += 1
        self._take_recent(await venue.trades(self.pair, RECENT_TRADES))
        while True:
            self._take_book(await venue.order_book(self.pair, POLL_DEPTH))
            self._take_trades(await venue.trades(self.pair, RECENT_TRADES))
            await asyncio.sleep(POLL_SECONDS)

    def _connected(self, venue: PublicVenue) -> None:
        """Ask for the trades that nobody told us of; those that are told meanwhile come after."""
        self.connects += 1
        self._seen_at = time.monotonic()
        self._drop_recovery()
        held: list[PublicTrade] = []
        self._held = held
        self._recovery = asyncio.create_task(self._recover(venue, held))

    async def _recover(self, venue: PublicVenue, held: list[PublicTrade]) -> None:
        try:
            async with asyncio.timeout(RECENT_SECONDS):
                self._take_recent(await venue.trades(self.pair, RECENT_TRADES))
        except (VenueRefused, VenueUnreachable, TimeoutError) as error:
            _log.info("The latest trades of %s could not be asked for: %s", self.key, error)
        except Exception:  # noqa: BLE001 - logged; the stream goes on without them
            _log.exception("Asking for the latest trades of %s failed", self.key)
        finally:
            self.tape.add(held)
            if self._held is held:
                self._held = None
        self.tell()

    def _take_recent(self, trades: Sequence[PublicTrade]) -> None:
        is_first = not self.tape.end
        self.tape.add(trades)
        if is_first:
            self.tape.begin = self.tape.end

    async def restart(self) -> None:
        """Connect anew; what listens stays, and the book is the next one."""
        await self.stop()
        self.state, self.book = "starting", None
        self.start()

    def _take_book(self, book: OrderBook) -> None:
        self._seen()
        self.book = book
        self.book_number += 1
        self.book_at = time.time()
        self.state = "live"
        self.tell()

    def _take_trades(self, trades: Sequence[PublicTrade]) -> None:
        self._seen()
        if self._held is not None:
            self._held.extend(trades)
        elif self.tape.add(trades):
            self.tell()

    def _seen(self) -> None:
        self._seen_at = time.monotonic()
        self.updates += 1

    def _lose(self) -> None:
        """What is kept stays to be seen, but not as fresh."""
        if self.state == "live":
            self.state = "lost"
        self._drop_recovery()
        self.tell()

    def _drop_recovery(self) -> None:
        if self._recovery is not None:
            self._recovery.cancel()
            self._recovery = None
