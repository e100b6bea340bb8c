import threading
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from adapters.postgres.migrate import MigrationError, migrate, pending
from tests.postgres_fixture import Database

pytestmark = pytest.mark.postgres

ONE = "0001_pre_things.sql"
TWO = "0002_post_rest.sql"
THREE = "0003_pre_more.sql"


@pytest.fixture
def dsn(database: Callable[..., Database]) -> str:
    return database().owner_dsn


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / ONE).write_text("create table things (id integer);\ninsert into things values (1)")
    (tmp_path / TWO).write_text("alter table things add column rest text default 'x%s'")
    return tmp_path


def rows(dsn: str, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(dsn) as connection:
        return connection.execute(query.encode()).fetchall()


def test_all_files_are_applied_once_and_in_order(dsn: str, folder: Path) -> None:
    assert pending(dsn, folder) == [ONE, TWO]
    assert migrate(dsn, folder) == [ONE, TWO]
    assert migrate(dsn, folder) == []
    assert pending(dsn, folder) == []
    assert rows(dsn, "select id, rest from things") == [(1, "x%s")]


def test_the_halves_of_a_release_are_applied_apart(dsn: str, folder: Path) -> None:
    assert migrate(dsn, folder, "pre") == [ONE]
    assert pending(dsn, folder) == [TWO]
    assert migrate(dsn, folder, "post") == [TWO]


def test_no_file_is_passed_over_for_one_of_the_wanted_phase(dsn: str, folder: Path) -> None:
    (folder / THREE).write_text("create table more (id integer)")
    with pytest.raises(MigrationError, match=f"{THREE} comes after {TWO}"):
        migrate(dsn, folder, "pre")
    with pytest.raises(MigrationError, match=f"{TWO} comes after {ONE}"):
        migrate(dsn, folder, "post")
    assert pending(dsn, folder) == [ONE, TWO, THREE]


def test_a_failing_file_changes_nothing_and_names_its_place(dsn: str, folder: Path) -> None:
    (folder / TWO).write_text("create table half (id integer);\nselect 1,\n  wrong from half")
    with pytest.raises(MigrationError, match=f"{TWO} line 3 column 3: column .wrong. does not"):
        migrate(dsn, folder)
    assert pending(dsn, folder) == [TWO]
    assert rows(dsn, "select to_regclass('half')") == [(None,)]


def test_a_file_that_ends_its_transaction_is_refused(dsn: str, folder: Path) -> None:
    (folder / TWO).write_text("create table half (id integer); commit")
    with pytest.raises(MigrationError, match=f"{TWO} ends its own transaction"):
        migrate(dsn, folder)
    assert pending(dsn, folder) == [TWO]


def test_a_changed_file_is_refused(dsn: str, folder: Path) -> None:
    migrate(dsn, folder)
    (folder / ONE).write_text("create table things (id bigint)")
    with pytest.raises(MigrationError, match=f"{ONE} is not what was applied"):
        migrate(dsn, folder)


def test_a_database_ahead_by_a_post_file_is_refused_by_the_old_code(dsn: str, folder: Path) -> None:
    migrate(dsn, folder)
    (folder / TWO).unlink()
    with pytest.raises(MigrationError, match=f"newer than this code: {TWO}"):
        migrate(dsn, folder)


def test_a_database_ahead_by_a_pre_file_is_served_by_the_old_code(dsn: str, folder: Path) -> None:
    (folder / THREE).write_text("create table more (id integer)")
    migrate(dsn, folder)
    (folder / THREE).unlink()
    assert migrate(dsn, folder) == []


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("0002_pre_again.sql", "share a number"),
        ("0004_pre_late.sql", "no file number 0003"),
        ("notes.sql", "is not named"),
    ],
)
def test_a_misnumbered_folder_is_refused(dsn: str, folder: Path, name: str, reason: str) -> None:
    (folder / name).write_text("select 1")
    with pytest.raises(MigrationError, match=reason):
        migrate(dsn, folder)


def test_an_empty_folder_is_refused(dsn: str, tmp_path: Path) -> None:
    with pytest.raises(MigrationError, match="holds no migrations"):
        migrate(dsn, tmp_path)


def test_a_server_that_is_not_there_is_one_sentence_without_the_password(folder: Path) -> None:
    with pytest.raises(MigrationError, match="cannot be reached") as caught:
        migrate("postgresql://someone:hush@127.0.0.1:1/aviary", folder)
    assert "hush" not in str(caught.value)


def test_two_at_once_apply_each_file_once(dsn: str, folder: Path) -> None:
    (folder / THREE).write_text("select pg_sleep(0.2)")
    results: list[list[str]] = []
    threads = [
        threading.Thread(target=lambda: results.append(migrate(dsn, folder))) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [[], [], [ONE, TWO, THREE]]
