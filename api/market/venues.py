"""The public sides of venues: one of each, made when it is first used, closed with the app.

A venue keeps its markets and connections, tens of megabytes for a large one. So only so many are
open at a time: the one that was unused longest is closed for the next.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from importlib import import_module

from adapters.settings import Settings
from adapters.venues.connectors import connectors
from adapters.venues.market_port import PublicVenue
from adapters.venues.port import VenueUnreachable
from adapters.venues.registry import NoVenue, public_venue, served
from api.market.flights import Flights

OPEN_MAX = 16
Make = Callable[[str], Awaitable[PublicVenue]]


class _Open:
    def __init__(self, venue: PublicVenue) -> None:
        self.venue = venue
        self.users = 0


class Venues:
    def __init__(self, make: Make, names: Collection[str], open_max: int = OPEN_MAX) -> None:
        """`names` are the connectors that `make` can make."""
        self.names = tuple(names)
        self._make = make
        self._open_max = open_max
        self._open: OrderedDict[str, _Open] = OrderedDict()
        self._making = Flights[_Open]()
        self._closing: set[asyncio.Task[None]] = set()

    def has(self, name: str) -> bool:
        return name in self.names

    def check(self, name: str) -> None:
        """Raise NoVenue for a connector that is unknown, or has nothing behind it here."""
        if name in self.names:
            return
        known = ", ".join(self.names) or "none"
        if name in connectors():
            text = f"The connector {name!r} has no venue behind it here; these have: {known}."
        else:
            text = f"There is no connector {name!r} here; there are: {known}."
        raise NoVenue(text)

    @asynccontextmanager
    async def use(self, name: str) -> AsyncIterator[PublicVenue]:
        """Lend a venue, which stays open meanwhile.

        Raises NoVenue, and VenueUnreachable where as many as may be open are all in use.
        """
        self.check(name)
        found = self._open.get(name)
        while found is None:
            await self._making.join(name, lambda: self._opened(name))
            found = self._open.get(name)
        found.users += 1
        self._open.move_to_end(name)
        try:
            yield found.venue
        finally:
            found.users -= 1

    async def close(self) -> None:
        await self._making.close()
        for name in list(self._open):
            self._shut(name)
        await asyncio.gather(*self._closing)

    async def _opened(self, name: str) -> _Open:
        venue = await self._make(name)
        if len(self._open) >= self._open_max:
            unused = next((other for other, each in self._open.items() if not each.users), None)
            if unused is None:
                await venue.close()
                raise VenueUnreachable(f"{self._open_max} venues are in use, no more can be opened")
            self._shut(unused)
        made = self._open[name] = _Open(venue)
        return made

    def _shut(self, name: str) -> None:
        task = asyncio.create_task(self._open.pop(name).venue.close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


def venues_of(settings: Settings) -> Venues:
    async def make(name: str) -> PublicVenue:
        if connectors()[name].ccxt is not None:
            # It takes 0.6 s, in which this thread would answer nobody.
            await asyncio.to_thread(import_module, "ccxt.pro")
        return public_venue(settings, name)

    return Venues(make, served(settings))
