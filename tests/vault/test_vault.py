"""The vault's table: who may do what with it, and what it survives."""

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import psycopg
import pytest

from adapters.postgres.connect import (
    API_WRITER_OPTIONS,
    READER_OPTIONS,
    VAULT_OPTIONS,
    WRITER_OPTIONS,
    connect,
)
from adapters.settings import Settings
from adapters.vault.fields import Fields
from adapters.vault.vault import Sealer, SecretGone, Vault, WrongMasterKey
from tests.postgres_fixture import Database
from tests.stores import empty

pytestmark = pytest.mark.postgres
CANARY = "canary-77aa01"
FIELDS = Fields({"binance_api_key": CANARY, "binance_api_secret": "s" * 64})
OLD, NEW = b"o" * 32, b"n" * 32


@pytest.fixture
def database(shared: Database) -> Database:
    empty(shared)
    return shared


def sealer(database: Database, **settings: object) -> Sealer:
    return Sealer(database.app_dsn, Settings(**({"master_key": OLD} | settings)))  # type: ignore[arg-type]


def vault(database: Database, **settings: object) -> Vault:
    return Vault(database.app_dsn, Settings(**({"master_key": OLD} | settings)))  # type: ignore[arg-type]


def seal_some(database: Database, count: int = 3) -> list[str]:
    names = [f"id-{number}" for number in range(count)]
    for name in names:
        sealer(database).seal(name, "main", "binance", FIELDS)
    return names


def rows(database: Database) -> list[tuple[object, ...]]:
    with psycopg.connect(database.owner_dsn) as owner:
        return owner.execute(
            "select secret_id, master_key_id, wrapped_key, ciphertext from vault order by 1"
        ).fetchall()


def test_what_the_api_seals_a_worker_opens(database: Database) -> None:
    seal_some(database, 1)
    assert vault(database).open("id-0") == FIELDS


def test_a_secret_that_is_not_there_is_gone(database: Database) -> None:
    with pytest.raises(SecretGone, match="id-7"):
        vault(database).open("id-7")


def test_sealed_again_it_stays_what_it_was_and_is_young_again(database: Database) -> None:
    seal_some(database, 1)
    before = rows(database)
    with psycopg.connect(database.owner_dsn) as owner:
        owner.execute("update vault set created_at = now() - interval '1 hour'")
    assert [kept.secret_id for kept in vault(database).settled(600)] == ["id-0"]
    sealer(database).seal("id-0", "main", "binance", FIELDS)
    assert rows(database) == before
    assert vault(database).settled(600) == []


def test_a_secret_is_destroyed_by_either_side_and_once(database: Database) -> None:
    seal_some(database, 3)
    assert sealer(database).destroy(["id-0", "id-9"]) == 1
    assert vault(database).destroy(["id-0", "id-1"]) == 1
    assert sealer(database).destroy([]) == 0
    with pytest.raises(SecretGone):
        vault(database).open("id-1")
    assert vault(database).open("id-2") == FIELDS


FORBIDDEN = {
    "the API reads no secret": (API_WRITER_OPTIONS, "select ciphertext from vault"),
    "the API reads no key": (API_WRITER_OPTIONS, "select wrapped_key from vault"),
    "the API reads no row": (API_WRITER_OPTIONS, "select * from vault"),
    "the API puts no other secret in place": (API_WRITER_OPTIONS, "update vault set ciphertext=''"),
    "a reader reads no id": (READER_OPTIONS, "select secret_id from vault"),
    "a reader reads no salt": (READER_OPTIONS, "select salt from vault_salt"),
    "a worker reads no secret": (WRITER_OPTIONS, "select ciphertext from vault"),
    "a worker destroys nothing": (WRITER_OPTIONS, "delete from vault"),
    "a worker seals nothing": (
        WRITER_OPTIONS,
        "insert into vault values ('a','b','c','d','','','')",
    ),
    "the vault writes no event": (VAULT_OPTIONS, "insert into events select * from events"),
    "the vault reads no event": (VAULT_OPTIONS, "select * from events"),
    "the salt stays": (VAULT_OPTIONS, "update vault_salt set salt = ''"),
    "the salt is not deleted": (API_WRITER_OPTIONS, "delete from vault_salt"),
    "nobody cuts the table": (VAULT_OPTIONS, "truncate vault"),
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_the_database_itself_forbids_it(database: Database, what: str) -> None:
    options, statement = FORBIDDEN[what]
    with (
        connect(database.app_dsn, options) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(statement.encode())


def test_a_password_opens_in_every_process_of_an_installation(
    database: Database, tmp_path: Path
) -> None:
    own = {"master_key": None, "config_password": "pass word"}
    sealer(database, **own, data_dir=tmp_path / "a").seal("id", "main", "binance", FIELDS)
    assert vault(database, **own, data_dir=tmp_path / "b").open("id") == FIELDS


def test_a_wrong_password_is_told_before_it_seals_anything(
    database: Database, tmp_path: Path
) -> None:
    right = {"master_key": None, "config_password": "pass word", "data_dir": tmp_path}
    wrong = {**right, "config_password": "pass wrod"}
    sealer(database, **right).seal("id", "main", "binance", FIELDS)
    for attempt in (
        lambda: vault(database, **wrong).open("id"),
        lambda: sealer(database, **wrong).seal("id-2", "main", "binance", FIELDS),
        lambda: list(vault(database, **wrong).rotate()),
    ):
        with pytest.raises(WrongMasterKey, match="CONFIG_PASSWORD"):
            attempt()
    assert len(rows(database)) == 1


def test_a_rotation_moves_every_secret_and_the_old_key_may_go(database: Database) -> None:
    names = seal_some(database, 3)
    texts = [row[3] for row in rows(database)]
    moved = list(vault(database, master_key=NEW, old_master_keys=(OLD,)).rotate())
    assert [owner.secret_id for owner in moved] == names
    assert [row[3] for row in rows(database)] == texts
    for name in names:
        assert vault(database, master_key=NEW).open(name) == FIELDS
        with pytest.raises(WrongMasterKey):
            vault(database).open(name)
    assert list(vault(database, master_key=NEW).rotate()) == []


def test_a_rotation_that_was_stopped_goes_on_where_it_was(database: Database) -> None:
    names = seal_some(database, 5)
    rotating = vault(database, master_key=NEW, old_master_keys=(OLD,))
    stopped: Iterator[object] = rotating.rotate()
    assert len(list(islice(stopped, 2))) == 2
    rest = [owner.secret_id for owner in rotating.rotate()]
    assert rest == names[2:]
    assert list(stopped) == []  # One that was only slow finds nothing left to do.
    assert {
        vault(database, master_key=NEW).open(name).values["binance_api_key"] for name in names
    } == {CANARY}


def test_a_secret_that_is_destroyed_while_it_is_moved_stays_destroyed(database: Database) -> None:
    names = seal_some(database, 3)
    rotating = vault(database, master_key=NEW, old_master_keys=(OLD,)).rotate()
    next(rotating)
    sealer(database).destroy(names[1:2])
    assert [owner.secret_id for owner in rotating] == names[2:]
    assert [row[0] for row in rows(database)] == [names[0], names[2]]


def test_a_hundred_and_more_are_moved(database: Database) -> None:
    names = sorted(seal_some(database, 101))
    moved = vault(database, master_key=NEW, old_master_keys=(OLD,)).rotate()
    assert [owner.secret_id for owner in moved] == names


def test_what_is_listed_tells_no_secret(database: Database) -> None:
    seal_some(database, 1)
    (kept,) = vault(database).kept()
    assert (kept.secret_id, kept.account, kept.connector) == ("id-0", "main", "binance")
    assert CANARY not in repr(kept)


def test_what_the_table_holds_is_sealed(database: Database) -> None:
    seal_some(database, 1)
    shown = repr(rows(database))
    spelt: tuple[Callable[[bytes], str], ...] = (repr, lambda text: text.hex())
    assert all(spell(CANARY.encode()).strip("b'") not in shown for spell in spelt)
