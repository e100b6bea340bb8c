"""Public venues are made once, lent, and closed when others need their place."""

import asyncio

import pytest

from adapters.venues.market_port import PublicVenue
from adapters.venues.port import VenueUnreachable
from adapters.venues.registry import NoVenue
from api.market.flights import Flights
from api.market.venues import Venues
from tests.market.scripted import ScriptedVenue


class Maker:
    def __init__(self) -> None:
        self.made: list[ScriptedVenue] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, name: str) -> PublicVenue:
        await self.gate.wait()
        self.made.append(ScriptedVenue(name=name))
        return self.made[-1]

    def closed(self) -> list[str]:
        return [venue.name for venue in self.made if venue.is_closed]


def test_a_venue_is_made_once_for_all_who_come_at_first() -> None:
    async def play() -> None:
        make = Maker()
        make.gate.clear()
        venues = Venues(make, ["paper"])

        async def name() -> PublicVenue:
            async with venues.use("paper") as venue:
                return venue

        users = [asyncio.create_task(name()) for _ in range(5)]
        await asyncio.sleep(0)
        make.gate.set()
        found = await asyncio.gather(*users)
        assert len(make.made) == 1
        assert all(venue is found[0] for venue in found)
        await venues.close()
        assert make.closed() == ["paper"]

    asyncio.run(play())


def test_the_one_that_was_unused_longest_makes_room() -> None:
    async def play() -> None:
        make = Maker()
        venues = Venues(make, ["a", "b", "c", "d"], open_max=2)
        async with venues.use("a"):
            async with venues.use("b"):
                with pytest.raises(VenueUnreachable, match="2 venues are in use"):
                    async with venues.use("c"):
                        pass
            async with venues.use("c"):
                pass
        await asyncio.sleep(0)
        assert make.closed() == ["b", "c"]  # c once for want of room, then b for c
        async with venues.use("a") as venue:
            assert venue is make.made[0]
        await venues.close()

    asyncio.run(play())


def test_a_connector_that_is_not_served_says_why() -> None:
    async def play() -> None:
        venues = Venues(Maker(), ["paper"])
        with pytest.raises(NoVenue, match="no connector 'nothing'"):
            venues.check("nothing")
        with pytest.raises(NoVenue, match="no venue behind it"):
            async with venues.use("xrpl"):
                pass

    asyncio.run(play())


def test_a_call_goes_on_when_the_one_who_made_it_gives_up() -> None:
    async def play() -> None:
        flights = Flights[int]()
        gate = asyncio.Event()
        calls = 0

        async def call() -> int:
            nonlocal calls
            calls += 1
            await gate.wait()
            return calls

        first = asyncio.create_task(flights.join("key", call))
        second = asyncio.create_task(flights.join("key", call))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.sleep(0)
        gate.set()
        assert await second == 1
        assert len(flights) == 0
        assert await flights.join("key", call) == 2

    asyncio.run(play())


def test_a_call_that_fails_fails_for_all_and_is_forgotten() -> None:
    async def play() -> None:
        flights = Flights[int]()

        async def fail() -> int:
            raise VenueUnreachable("gone")

        found = await asyncio.gather(
            *(flights.join("key", fail) for _ in range(3)), return_exceptions=True
        )
        assert [str(error) for error in found] == ["gone"] * 3
        assert len(flights) == 0

    asyncio.run(play())
