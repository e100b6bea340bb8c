"""Order books for those who ask: the live feed's where there is one, else the venue's own answer.

An answer of a venue is shared for half a second by all who ask for the same pair.
"""

import time
from collections import OrderedDict
from collections.abc import Callable

from msgspec import Struct

from adapters.venues.port import OrderBook
from api.market.depth import Depth
from api.market.flights import Flights
from api.market.venues import Venues

DEPTHS = (100, 1000)
"""What venues are asked for; less is cut from that, so that one answer serves all."""
KEPT_SECONDS = 0.5
_KEPT_MAX = 100

Live = Callable[[str, str], OrderBook | None]
"""The book of a feed by connector and pair, None where there is none or it is not ready."""


class _Kept(Struct, frozen=True):
    book: OrderBook
    read_at: float


class Books:
    def __init__(self, venues: Venues, live: Live) -> None:
        self._venues = venues
        self._live = live
        self._kept: OrderedDict[tuple[str, str, int], _Kept] = OrderedDict()
        self._flights = Flights[OrderBook]()

    def __len__(self) -> int:
        """How many books are kept."""
        return len(self._kept)

    async def close(self) -> None:
        await self._flights.close()

    async def book(self, connector: str, pair: str, depth: int) -> OrderBook:
        """At most `depth` levels a side. Raises NoVenue, VenueRefused, VenueUnreachable."""
        self._venues.check(connector)
        found = self._live(connector, pair)
        if found is None or min(len(found.bids), len(found.asks)) < depth:
            found = await self._asked(connector, pair, next(d for d in DEPTHS if d >= depth))
        return OrderBook(
            pair=pair, bids=found.bids[:depth], asks=found.asks[:depth], at_us=found.at_us
        )

    async def measure(
        self, connector: str, pair: str, look: Callable[[OrderBook], Depth]
    ) -> tuple[Depth, OrderBook]:
        """Look at a book that is deep enough, or the deepest there is. Raises as `book`."""
        self._venues.check(connector)
        live = self._live(connector, pair)
        if live is not None and not (found := look(live)).is_partial:
            return found, live
        for depth in DEPTHS:
            book = await self._asked(connector, pair, depth)
            found = look(book)
            if not found.is_partial or max(len(book.bids), len(book.asks)) < depth:
                break
        return found, book

    async def _asked(self, connector: str, pair: str, depth: int) -> OrderBook:
        since = time.monotonic() - KEPT_SECONDS
        for deep in DEPTHS:
            kept = self._kept.get((connector, pair, deep))
            if deep >= depth and kept is not None and kept.read_at >= since:
                return kept.book
        key = (connector, pair, depth)
        return await self._flights.join(key, lambda: self._ask(connector, pair, depth))

    async def _ask(self, connector: str, pair: str, depth: int) -> OrderBook:
        began_at = time.monotonic()
        async with self._venues.use(connector) as venue:
            book = await venue.order_book(pair, depth)
        key = (connector, pair, depth)
        self._kept[key] = _Kept(book, began_at)
        self._kept.move_to_end(key)
        self._drop_old()
        return book

    def _drop_old(self) -> None:
        since = time.monotonic() - KEPT_SECONDS
        while self._kept:
            first = next(iter(self._kept.values()))
            if first.read_at >= since and len(self._kept) <= _KEPT_MAX:
                return
            self._kept.popitem(last=False)
