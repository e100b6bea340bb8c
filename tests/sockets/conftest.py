from collections.abc import Callable, Iterator

import pytest

from api.sockets import outlet
from tests.api.conftest import seeded as seeded  # noqa: PLC0414 - a fixture
from tests.postgres_fixture import Database
from tests.sockets.served import Served, serving
from tests.venues.paper_process import PaperProcess, running


@pytest.fixture(scope="session")
def log(database: Callable[..., Database], seeded: Database) -> Database:
    """One log for all: market data is not in it, only who may see it."""
    return database(template=seeded)


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks one thing after the other may take longer for it, as on a loaded machine."""
    monkeypatch.setattr(outlet, "QUIET_SECONDS", 2.0)
    monkeypatch.setattr(outlet, "QUIET_MAX_SECONDS", 30.0)


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PaperProcess]:
    with running(tmp_path_factory.mktemp("venue")) as process:
        yield process


@pytest.fixture(scope="module")
def served(
    log: Database, venue: PaperProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    with serving(log.app_dsn, venue.url, tmp_path_factory.mktemp("api")) as server:
        yield server
