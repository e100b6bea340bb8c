"""The log in the lake: every night, page by page, no position twice and none missing."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from adapters.postgres import lake_chores
from adapters.postgres.connect import connect
from adapters.postgres.lake import OPTIONS
from adapters.postgres.log import PostgresLog
from adapters.settings import Settings
from commands.committer import Committer
from tests.lakes import Lake, written
from tests.postgres_fixture import Database
from tests.stores import opening, placing
from workers.lake.chores import Chores, LogWasCut, export_page, night_before
from workers.lake.writing import CheckpointMoved, Moved

pytestmark = pytest.mark.postgres
DAY_US = 86_400_000_000
ROOT = Path(__file__).parents[2]


def fill(database: Database, orders: int, name: str = "o") -> int:
    store = PostgresLog(database.app_dsn)
    committer = Committer(store)
    for request in opening() if name == "o" else []:
        committer.execute(request)
    for number in range(orders):
        committer.execute(placing(f"{name}{number}"))
    committer.close()
    head = store.head().position
    store.close()
    return head


@contextmanager
def session_of(database: Database) -> Iterator[psycopg.Connection[Any]]:
    with connect(database.app_dsn, OPTIONS, autocommit=True) as session:
        yield session


def export(database: Database, lake: Lake) -> int:
    with session_of(database) as session, written(lake.writing) as writer:
        while export_page(session, writer)[0]:
            pass
        return writer.checkpoints()["events"]


def of_log(database: Database) -> list[tuple[Any, ...]]:
    with psycopg.connect(database.owner_dsn) as owner:
        return owner.execute(
            """select notification_id, originator_id, originator_version, topic,
                convert_from(state, 'utf8'), convert_from(metadata, 'utf8'), seal
            from events order by 1"""
        ).fetchall()


def of_lake(lake: Lake) -> list[tuple[Any, ...]]:
    return lake.ask(
        "select position, stream, version, tag, payload, metadata, seal from events order by all"
    )


@pytest.fixture
def own(migrated: Any) -> Database:
    made: Database = migrated()
    return made


def test_the_lake_has_the_events_of_the_log_and_their_bytes(own: Database, lake: Lake) -> None:
    head = fill(own, 20)
    with session_of(own) as session:
        assert lake_chores.ask(session) == head
    assert export(own, lake) == head
    assert of_lake(lake) == of_log(own)
    found = lake.ask("select distinct actor from events")
    assert found == [("alice",)]
    later = fill(own, 5, "p")
    assert export(own, lake) == head, "it was not asked for more"
    with session_of(own) as session:
        lake_chores.ask(session)
    assert export(own, lake) == later
    assert of_lake(lake) == of_log(own)


@pytest.mark.parametrize("point", ["lake-after-rows", "lake-before-commit", "lake-after-commit"])
@pytest.mark.parametrize("nth", [1, 2])
def test_killed_at_any_step_no_position_is_there_twice_and_none_is_missing(
    own: Database, lake: Lake, point: str, nth: int
) -> None:
    fill(own, 30)
    with session_of(own) as session:
        asked = lake_chores.ask(session)
    code = f"""
from tests.analytics.test_export import *
from tests.postgres_fixture import Database
from workers.lake import chores
chores.PAGE_EVENTS = 10
export(Database({own.name!r}, {own.owner_dsn!r}, {own.app_dsn!r}),
    Lake({lake.name!r}, Path({str(lake.folder)!r}), {lake.dsn!r}, {lake.reader_dsn!r}))
"""
    killed = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=os.environ | {"AVIARY_CRASH": f"{point}:{nth}"},
        timeout=60,
        capture_output=True,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert len(of_lake(lake)) in {0, 10, 20}
    assert export(own, lake) == asked
    assert of_lake(lake) == of_log(own)


def test_of_two_that_export_one_page_one_stores_it(own: Database, lake: Lake) -> None:
    fill(own, 10)
    with session_of(own) as session, written(lake.writing) as writer, written(lake.writing) as late:
        lake_chores.ask(session)
        at = late.checkpoints()["events"]
        export_page(session, writer)
        with pytest.raises(CheckpointMoved):
            late.save({}, {"events": Moved(at, 3)})
    assert of_lake(lake) == of_log(own)


def test_a_night_is_asked_for_once(own: Database, lake: Lake, monkeypatch: Any) -> None:
    head = fill(own, 3)
    monkeypatch.setattr("workers.lake.chores.time.time", lambda: 86_400 * 20_000 + 3 * 3600)
    with session_of(own) as session, written(lake.writing) as writer:
        first = Chores(Settings(lake_export_hour=2), session, writer)
        assert first.is_due()
        assert first.step() == head
        assert not first.is_due()
        fill(own, 2, "p")
        assert not first.is_due()
        assert Chores(Settings(lake_export_hour=2), session, writer).step() == 0, "a restart"
        monkeypatch.setattr("workers.lake.chores.time.time", lambda: 86_400 * 20_001 + 1.9 * 3600)
        assert not first.is_due()
        monkeypatch.setattr("workers.lake.chores.time.time", lambda: 86_400 * 20_001 + 2 * 3600)
        assert first.is_due()
        assert first.step() == 2
    assert of_lake(lake) == of_log(own)


def test_the_hour_before_is_of_the_day_before() -> None:
    assert night_before(86_400 * 5 + 3600, 2) == 4 * DAY_US + 2 * 3600 * 1_000_000
    assert night_before(86_400 * 5 + 7200, 2) == 5 * DAY_US + 2 * 3600 * 1_000_000


def test_a_log_that_was_cut_is_said_and_afresh_mends_it(own: Database, lake: Lake) -> None:
    fill(own, 5)
    with session_of(own) as session, written(lake.writing) as writer:
        writer.save({}, {"events": Moved(0, 1_000_000)})
        lake_chores.ask(session)
        with pytest.raises(LogWasCut, match="aviary lake export --afresh"):
            export_page(session, writer)
        lake_chores.ask(session, afresh=True)
    export(own, lake)
    assert of_lake(lake) == of_log(own)


def test_afresh_needs_no_file_of_the_old_table(own: Database, lake: Lake) -> None:
    fill(own, 5)
    with session_of(own) as session, written(lake.writing) as writer:
        lake_chores.ask(session)
        export_page(session, writer)
        writer.connection.execute("call ducklake_flush_inlined_data('lake')")
        files = [path for path in lake.data.rglob("*.parquet") if "events" in str(path)]
        assert files
        for path in files:
            path.unlink()
        lake_chores.ask(session, afresh=True)
    export(own, lake)
    assert of_lake(lake) == of_log(own)
