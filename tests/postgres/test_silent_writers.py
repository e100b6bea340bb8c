"""A writer that is frozen while it holds the log's lock loses it, wherever it froze."""

from contextlib import closing

import psycopg
import pytest

from adapters.postgres.connect import WRITER_OPTIONS, connect
from adapters.postgres.embedded import EmbeddedPostgres
from adapters.postgres.log import PostgresLog
from adapters.postgres.recorder import LOG_LOCK
from domain.log import StoreUnavailable, Wanted
from tests.postgres_fixture import Database

pytestmark = pytest.mark.postgres
SILENT = "terminating connection due to idle-in-transaction timeout"
_LOCK = f"select pg_advisory_xact_lock({LOG_LOCK})"
_PATIENT = WRITER_OPTIONS.replace("lock_timeout=3000", "lock_timeout=30000").replace(
    "transaction_timeout=4000", "transaction_timeout=60000"
)


def _take_over(dsn: str) -> None:
    with connect(dsn, _PATIENT, autocommit=True) as other:
        other.execute("begin")
        other.execute(_LOCK)
        other.execute("commit")


def test_one_that_is_silent_between_two_round_trips(shared: Database) -> None:
    with connect(shared.app_dsn, WRITER_OPTIONS, autocommit=True) as frozen:
        frozen.execute("begin")
        frozen.execute(_LOCK)
        _take_over(shared.app_dsn)
        with pytest.raises(psycopg.errors.IdleInTransactionSessionTimeout):
            frozen.execute("select 1")


def test_one_that_is_silent_in_the_middle_of_a_pipeline(shared: Database) -> None:
    """To the server it is not idle: it may still be sending."""
    with connect(shared.app_dsn, WRITER_OPTIONS, autocommit=True) as frozen:

        def send_half() -> None:
            with frozen.pipeline():
                for statement in ("begin", _LOCK, "select 1", "select 2"):
                    frozen.execute(statement)
                _take_over(shared.app_dsn)

        with pytest.raises(psycopg.OperationalError):
            send_half()


def test_one_that_is_silent_between_lock_and_commit(
    cluster: EmbeddedPostgres, shared: Database
) -> None:
    """As the committer does it; leaving a pipeline would have stopped the server's clock.

    It is cut for its silence, long before the limit of the whole transaction.
    """
    server_log = cluster.data_dir / "logs/postgres.log"
    before = len(server_log.read_text())

    def wait_inside(log: PostgresLog) -> None:
        with log.append() as append:
            append.lock(Wanted(["c1"], {"order-1": 0}, ["account-1"]))
            _take_over(shared.app_dsn)

    with closing(PostgresLog(shared.app_dsn)) as log:
        with pytest.raises(StoreUnavailable):
            wait_inside(log)
        ours = f"@{shared.name} "
        told = [line for line in server_log.read_text()[before:].splitlines() if ours in line]
        assert [line.partition("FATAL:")[2].strip() for line in told] == [SILENT]
        with log.append() as append:
            assert append.lock().head == log.head()
