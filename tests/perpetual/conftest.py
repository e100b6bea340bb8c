from collections.abc import Callable, Iterator

import psycopg
import pytest

from tests.perpetual.venue import CONNECTOR
from tests.postgres_fixture import Database
from tests.workers.stage import Stage, stage
from workers.dispatching import positions
from workers.dispatching.positions import Pace

QUICK = Pace(
    gather_seconds=0.02,
    apart_seconds=0.05,
    idle_seconds=0.3,
    confirm_seconds=0.2,
    confirm_max_seconds=0.4,
    retry_max_seconds=0.2,
)


@pytest.fixture
def on(migrated: Callable[[], Database], monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """A log with an account that may trade on the perpetual connector, watched without patience."""
    monkeypatch.setattr(positions, "PACE", QUICK)
    with stage(migrated()) as set_up:
        set_up.accept_credential(CONNECTOR, "s1")
        yield set_up


@pytest.fixture
def is_projected() -> Callable[[Stage], bool]:
    """Whether every read model holds all of the log."""

    def is_done(on: Stage) -> bool:
        with psycopg.connect(on.database.owner_dsn) as owner:
            row = owner.execute("select min(position) from read_positions").fetchone()
        return row is not None and row[0] == on.store.head().position

    return is_done
