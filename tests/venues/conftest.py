"""The venues that the contract suite runs against, each as a real process.

An implementation joins by a line in `FACTORIES`: a context manager that yields a function from an
account name to a connected venue. New accounts hold money in both tokens of the pair.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from adapters.venues.port import Venue
from tests.venues.paper_process import running

VenueFactory = Callable[[str], Venue]
Run = Callable[[str, Callable[[Venue], Awaitable[None]]], None]


@contextmanager
def paper(folder: Path) -> Iterator[VenueFactory]:
    with running(folder) as process:
        yield process.venue


FACTORIES: dict[str, Callable[[Path], AbstractContextManager[VenueFactory]]] = {"paper": paper}


@pytest.fixture(scope="module", params=sorted(FACTORIES))
def venue_factory(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[VenueFactory]:
    with FACTORIES[request.param](tmp_path_factory.mktemp("venue")) as factory:
        yield factory


@pytest.fixture
def run(venue_factory: VenueFactory, request: pytest.FixtureRequest) -> Run:
    """Play a scenario with a venue of its own account, named after the test."""

    def play(suffix: str, scenario: Callable[[Venue], Awaitable[None]]) -> None:
        async def with_venue() -> None:
            name = f"{request.node.originalname[5:50]}{suffix}"
            venue = venue_factory(name)
            try:
                await scenario(venue)
            finally:
                await venue.close()

        asyncio.run(asyncio.wait_for(with_venue(), 20))

    return play
