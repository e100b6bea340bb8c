"""What the database itself forbids, whatever our code does."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from adapters.postgres.connect import READER_OPTIONS, WRITER_OPTIONS, connect
from adapters.postgres.log import PostgresLog
from adapters.postgres.recorder import LOG_LOCK
from commands.committer import Committer
from tests.postgres_fixture import Database
from tests.stores import check_log, empty, opening, placing

pytestmark = pytest.mark.postgres
ROLES = ("aviary_writer", "aviary_worker", "aviary_reader")


@pytest.fixture
def written(shared: Database) -> Database:
    """Return a database with an account and an order in its log."""
    empty(shared)
    store = PostgresLog(shared.app_dsn)
    committer = Committer(store)
    for request in [*opening(), placing("av1")]:
        committer.execute(request)
    committer.close()
    store.close()
    return shared


def attempt(dsn: str, options: str, statement: str) -> None:
    with connect(dsn, options) as connection:
        connection.execute(statement.encode())
        connection.rollback()


FORBIDDEN = [
    "update events set state = ''",
    "update events set seal = decode(repeat('00', 32), 'hex')",
    "delete from events",
    "truncate events",
    "update receipts set outcome = 'refused'",
    "delete from receipts",
    "truncate receipts",
    "delete from log_head",
    "truncate log_head",
    "insert into log_head (only_row, position, seal) values (false, 1, '')",
    "alter table events add column extra int",
    "alter table events disable trigger all",
    "drop table events",
    "drop index events_notification_id_idx",
    "create table mine (id int)",
    "create rule keep as on insert to events do instead nothing",
    "update schema_migrations set sha256 = ''",
    "set role aviary_owner",
    "set session authorization aviary_owner",
]


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("statement", FORBIDDEN)
def test_no_role_can_change_what_was_written(written: Database, role: str, statement: str) -> None:
    with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.WrongObjectType)):
        attempt(written.app_dsn, f"-c role={role}", statement)


@pytest.mark.parametrize("statement", [*FORBIDDEN[:-2], "select 1 from events", "table receipts"])
def test_the_login_alone_can_do_nothing(written: Database, statement: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        attempt(written.app_dsn, "", statement)


@pytest.mark.parametrize(
    "statement",
    [
        "insert into receipts select * from receipts",
        "insert into events select * from events",
        "update log_head set position = 0",
        "insert into leases values ('main', 1, 'me', now())",
        "update leases set lease = 9",
        "delete from orders",
        "update checkpoints set position = 0",
        "insert into api_keys select * from api_keys",
    ],
)
def test_a_reader_cannot_write(written: Database, statement: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        attempt(written.app_dsn, READER_OPTIONS, statement)


@pytest.mark.parametrize(
    "statement",
    ["update leases set lease = 9", "delete from orders", "update checkpoints set position = 0"],
)
def test_the_api_s_writer_keeps_no_read_models_and_no_leases(
    written: Database, statement: str
) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        attempt(written.app_dsn, "-c role=aviary_writer", statement)


@pytest.mark.parametrize("role", ROLES)
def test_every_role_can_read(written: Database, role: str) -> None:
    with connect(written.app_dsn, f"-c role={role}", autocommit=True) as connection:
        for table in ("events", "receipts", "log_head", "leases", "orders", "receipts_view"):
            connection.execute(f"select * from {table}")


@pytest.mark.parametrize("role", ["aviary_writer", "aviary_worker"])
def test_both_writing_roles_can_append(written: Database, role: str) -> None:
    store = PostgresLog(written.app_dsn, f"-c role={role}")
    committer = Committer(store)
    assert committer.execute(placing("av2")).receipt.outcome == "accepted"
    committer.close()
    check_log(store)
    store.close()


def test_a_writer_frozen_under_the_lock_is_cut_and_another_goes_on(written: Database) -> None:
    frozen = connect(written.app_dsn, WRITER_OPTIONS)
    frozen.execute("select pg_advisory_xact_lock(%s)", (LOG_LOCK,))
    store = PostgresLog(written.app_dsn)
    committer = Committer(store)
    with ThreadPoolExecutor(1) as pool:
        outcome = pool.submit(committer.execute, placing("av2"), 60.0).result()
    assert outcome.receipt.outcome == "accepted"
    with pytest.raises(psycopg.errors.IdleInTransactionSessionTimeout):
        frozen.execute("select 1")
    frozen.close()
    committer.close()
    check_log(store)
    store.close()


def test_the_migrated_database_refuses_bad_shapes(migrated: Callable[[], Database]) -> None:
    bad_head = "insert into log_head (only_row, position, seal) values (false, 1, '')"
    with psycopg.connect(migrated().owner_dsn) as owner, pytest.raises(psycopg.IntegrityError):
        owner.execute(bad_head)
