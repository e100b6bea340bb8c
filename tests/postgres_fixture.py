"""One real Postgres for a test session, and fresh databases on it in some 30 ms each.

Roles belong to the whole server: migrations that make them must tolerate that they exist.
"""

import itertools
import shutil
from collections.abc import Callable, Iterator

import psycopg
import pytest
from msgspec import Struct

from adapters.postgres.bootstrap import create_database
from adapters.postgres.embedded import EmbeddedPostgres

_numbers = itertools.count(1)
# Tests kill processes, never the machine: without flushes they are faster and lose nothing.
_SETTINGS = {"fsync": "off", "full_page_writes": "off"}


class Database(Struct, frozen=True):
    name: str
    owner_dsn: str
    app_dsn: str


def fresh_database(cluster: EmbeddedPostgres, template: Database | None = None) -> Database:
    """Make a database, empty or as a copy of one that nobody is connected to."""
    name = f"test_{next(_numbers)}"
    source = template.name if template else "template1"
    with psycopg.connect(cluster.dsn("superuser", "postgres"), autocommit=True) as connection:
        create_database(connection, name, source)
    return Database(name, cluster.dsn("owner", name), cluster.dsn("app", name))


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    folder = tmp_path_factory.mktemp("cluster")
    with EmbeddedPostgres(folder, settings=_SETTINGS) as server:
        yield server
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def database(cluster: EmbeddedPostgres) -> Callable[..., Database]:
    """Return the factory: call it for a new database, with `template=` for a copy."""

    def make(template: Database | None = None) -> Database:
        return fresh_database(cluster, template)

    return make
