"""A database with the first events in it, to be copied."""

import pytest

from adapters.postgres.embedded import EmbeddedPostgres
from tests.faults.world import seeded_database
from tests.postgres_fixture import Database


@pytest.fixture(scope="session")
def template(cluster: EmbeddedPostgres) -> Database:
    return seeded_database(cluster)
