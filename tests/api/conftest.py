from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import seeding
from tests.api.live import Live, running
from tests.postgres_fixture import Database


@pytest.fixture(scope="session")
def seeded(database: Callable[..., Database]) -> Database:
    """A database with all migrations and the master account, to be copied."""
    return seeding.seeded(database())


@pytest.fixture
def live(database: Callable[..., Database], seeded: Database, tmp_path: Path) -> Iterator[Live]:
    """An API that listens, on a log of its own."""
    with running(database(template=seeded), tmp_path) as server:
        yield server


@pytest.fixture(scope="module")
def shared(
    database: Callable[..., Database], seeded: Database, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Live]:
    """One API for all tests of a file that do not care what others left."""
    with running(database(template=seeded), tmp_path_factory.mktemp("api")) as server:
        yield server
