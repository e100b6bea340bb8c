"""One real Postgres for a test session, and fresh databases on it in some 30 ms each.

Roles belong to the whole server: migrations that make them must tolerate that they exist.
"""

import itertools
import shutil
import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from msgspec import Struct

from adapters.postgres.bootstrap import create_database
from adapters.postgres.embedded import EmbeddedPostgres

_numbers = itertools.count(1)
_CLOSING_SECONDS = 30.0
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
        left = _sessions(server)
        server.stop("immediate")  # Its files go: nothing is worth writing out.
    shutil.rmtree(folder)
    assert not left, f"sessions that tests left open: {left}"


def _sessions(server: EmbeddedPostgres) -> list[tuple[Any, ...]]:
    """What is connected still; a session that is being closed has a moment for it."""
    query = (
        "select datname, usename, application_name, state, wait_event, query "
        "from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()"
    )
    give_up_at = time.monotonic() + _CLOSING_SECONDS
    with psycopg.connect(server.dsn("superuser", "postgres"), autocommit=True) as connection:
        while True:
            found = connection.execute(query).fetchall()
            if not found or time.monotonic() > give_up_at:
                return found
            time.sleep(0.05)


@pytest.fixture(scope="session")
def database(cluster: EmbeddedPostgres) -> Callable[..., Database]:
    """Return the factory: call it for a new database, with `template=` for a copy."""

    def make(template: Database | None = None) -> Database:
        return fresh_database(cluster, template)

    return make
