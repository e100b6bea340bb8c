"""What the scenarios share: a database to copy, and the seed in the report."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from adapters.postgres.embedded import EmbeddedPostgres
from tests.faults import crash_points
from tests.faults.world import World, fresh_world, seeded_database
from tests.postgres_fixture import Database

MakeWorld = Callable[[], AbstractContextManager[World]]


def pytest_report_header() -> str:
    return f"crash points: AVIARY_CRASH_SEED={crash_points.SEED}"


@pytest.fixture(scope="session")
def template(cluster: EmbeddedPostgres) -> Database:
    return seeded_database(cluster)


@pytest.fixture
def scene(tmp_path: Path, database: Callable[..., Database], template: Database) -> Iterator[World]:
    """A world with a venue and a database of its own."""
    with fresh_world(tmp_path, database, template) as made:
        yield made
