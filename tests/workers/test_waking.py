"""A follower that is never idle takes what it is told, so that nobody's transactions must wait."""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from adapters.postgres.embedded import EmbeddedPostgres
from tests.faults.processes import until
from tests.postgres_fixture import Database, fresh_database
from workers.running.threads import Stop
from workers.running.waking import wait_for_log

pytestmark = pytest.mark.postgres


@pytest.fixture
def dsn(tmp_path: Path) -> Iterator[str]:
    """On a server of its own: the queue is one for all databases, and for everybody's sessions."""
    with EmbeddedPostgres(tmp_path, settings={"fsync": "off"}) as server:
        yield fresh_database(server).app_dsn


def test_what_was_told_leaves_the_server(dsn: str) -> None:
    with (
        psycopg.connect(dsn, autocommit=True) as wake,
        psycopg.connect(dsn, autocommit=True) as other,
    ):

        def queued() -> float:
            row = other.execute("select pg_notification_queue_usage()").fetchone()
            assert row is not None
            return float(row[0])

        def taken() -> float:
            wait_for_log(wake, 0)
            return queued()

        wake.execute("listen told")
        for number in range(500):
            other.execute("select pg_notify('told', %s || repeat('x', 7000))", (str(number),))
        assert queued() > 0, "the session's socket holds all of it"
        until(lambda: taken() == 0, "an empty queue")


def test_a_notice_and_a_stop_end_the_wait(database: Callable[[], Database]) -> None:
    dsn = database().app_dsn
    with (
        psycopg.connect(dsn, autocommit=True) as wake,
        psycopg.connect(dsn, autocommit=True) as other,
        closing(Stop()) as stop,
    ):
        wake.execute("listen told")
        for end in (lambda: other.execute("notify told"), stop.set):
            waiting = threading.Thread(target=wait_for_log, args=(wake, 3600, stop))
            waiting.start()
            end()
            waiting.join(30)
            assert not waiting.is_alive()
