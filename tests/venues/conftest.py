"""The venues that the contract suite runs against, each as a real process.

An implementation joins by a line in SPOT or PERPETUAL: a context manager that yields its `House`.
"""

import asyncio
import zlib
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from tests.venues.binance_house import binance, binance_perpetual
from tests.venues.paper_house import paper
from tests.venues.stage import House, Scene

Run = Callable[[Callable[[Scene], Awaitable[None]]], None]
Opening = Callable[[Path], AbstractContextManager[House]]

SPOT: dict[str, Opening] = {"binance": binance, "paper": paper}
PERPETUAL: dict[str, Opening] = {"binance_perpetual": binance_perpetual}


@contextmanager
def _opened(opening: Opening, factory: pytest.TempPathFactory) -> Iterator[House]:
    with opening(factory.mktemp("venue")) as house:
        yield house


@pytest.fixture(scope="module", params=sorted(SPOT | PERPETUAL))
def house(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[House]:
    """Any venue."""
    with _opened((SPOT | PERPETUAL)[request.param], tmp_path_factory) as found:
        yield found


@pytest.fixture(scope="module", params=sorted(SPOT))
def spot_house(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[House]:
    with _opened(SPOT[request.param], tmp_path_factory) as found:
        yield found


@pytest.fixture(scope="module", params=sorted(PERPETUAL))
def perpetual_house(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[House]:
    with _opened(PERPETUAL[request.param], tmp_path_factory) as found:
        yield found


def _player(house: House, name: str) -> Run:
    """Plays a scenario on an account of its own, named after the test."""

    def play(scenario: Callable[[Scene], Awaitable[None]]) -> None:
        async def on_stage() -> None:
            scene = Scene(house, name)
            try:
                await scenario(scene)
            finally:
                await scene.close()

        asyncio.run(asyncio.wait_for(on_stage(), 120))

    return play


def _account(request: pytest.FixtureRequest) -> str:
    """Short, as the paper venue wants it, and never that of another test."""
    return f"{request.node.name[5:20]}-{zlib.crc32(request.node.name.encode()):x}"


@pytest.fixture
def run(house: House, request: pytest.FixtureRequest) -> Run:
    return _player(house, _account(request))


@pytest.fixture
def run_spot(spot_house: House, request: pytest.FixtureRequest) -> Run:
    return _player(spot_house, _account(request))


@pytest.fixture
def run_perpetual(perpetual_house: House, request: pytest.FixtureRequest) -> Run:
    return _player(perpetual_house, _account(request))
