"""A rebuild beside a live projector, under writes, and killed half way."""

import os
import shutil
import signal
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from adapters.postgres.log import PostgresLog
from commands.committer import Committer
from projections import PROJECTIONS, orders
from tests.catalogue import catalogue
from tests.folds import copy_log, follow_log, texts, texts_of_pure_fold, written
from tests.messages import fill_of
from tests.postgres_fixture import Database
from tests.stores import check_log, empty, opening, placing, request_for
from workers.projecting.projector import catch_up
from workers.projecting.rebuild import rebuild

pytestmark = pytest.mark.postgres

ROOT = Path(__file__).parents[2]
REBUILD = """
import sys
from projections import orders
from workers.projecting import rebuild
rebuild.PAGE_EVENTS = 10
rebuild.rebuild(sys.argv[1], sys.argv[2], orders.PROJECTION, lambda at, head: print(at, head))
"""


@pytest.fixture
def database(shared: Database) -> Database:
    empty(shared)
    return shared


def busy(count: int) -> list[str]:
    return [f"av{n}" for n in range(count)]


def place_and_fill(database: Database, names: list[str]) -> None:
    store = PostgresLog(database.app_dsn)
    committer = Committer(store)
    for name in names:
        committer.execute(placing(name))
        for trade in ("t1", "t1", "t2"):
            fill = request_for(f"order-{name}", fill_of(trade, "0.2"), f"{name} {trade}")
            committer.execute(fill)
    committer.close()
    store.close()


def test_a_rebuild_under_writes_and_beside_a_live_projector_equals_the_fold(
    database: Database,
) -> None:
    copy_log(database, written(opening()))
    stopping = threading.Event()
    writing = threading.Thread(target=place_and_fill, args=(database, busy(60)))
    following = threading.Thread(target=follow_log, args=(database, stopping))
    writing.start()
    following.start()
    try:
        for projection in (*PROJECTIONS, *PROJECTIONS):
            rebuild(database.owner_dsn, database.app_dsn, projection)
    finally:
        writing.join()
        stopping.set()
        following.join()
    head = catch_up(database.app_dsn)
    with closing(PostgresLog(database.app_dsn)) as store:
        log = check_log(store)
    assert head == len(log) == 2 + 60 * 3
    assert texts(database) == texts_of_pure_fold(database, log)
    with psycopg.connect(database.owner_dsn) as owner:
        assert owner.execute("select count(*) from parked").fetchone() == (0,)


def run_rebuild(
    database: Database, crash: str = "", code: Path = ROOT
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", REBUILD, database.owner_dsn, database.app_dsn],
        cwd=code,
        env={**os.environ, "AVIARY_CRASH": crash},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.faults
@pytest.mark.parametrize(
    ("crash", "resumed_at"), [("rebuild-after-page:2", 30), ("rebuild-before-swap:1", 34)]
)
def test_a_killed_rebuild_leaves_the_live_rows_and_resumes(
    database: Database, crash: str, resumed_at: int
) -> None:
    log = written([*opening(), *(placing(name) for name in busy(32))])
    copy_log(database, log)
    catch_up(database.app_dsn)
    live = texts(database)
    with psycopg.connect(database.owner_dsn) as owner:
        owner.execute("update orders set status = 'WRONG' where key = 'av0'")
    wrong = texts(database)
    assert run_rebuild(database, crash).returncode == -signal.SIGKILL
    assert texts(database) == wrong
    again = run_rebuild(database)
    assert again.returncode == 0, again.stderr
    assert int(again.stdout.split()[0]) == resumed_at
    assert texts(database) == live


def test_a_rebuild_leaves_the_catalogue_as_it_was(database: Database) -> None:
    copy_log(database, written([*opening(), placing("av1")]))
    before = catalogue(database.owner_dsn)
    assert "fillfactor=70" in before
    for projection in (*PROJECTIONS, *PROJECTIONS):
        assert rebuild(database.owner_dsn, database.app_dsn, projection) == 3
        assert catalogue(database.owner_dsn) == before
    with psycopg.connect(database.owner_dsn) as owner:
        found = owner.execute("select projection, position from checkpoints").fetchall()
        assert dict(found) == {projection.name: 3 for projection in PROJECTIONS}
        told = "select obj_description('orders'::regclass, 'pg_class')"
        assert owner.execute(told.encode()).fetchone() == (None,)


@pytest.mark.faults
@pytest.mark.parametrize("change", ["code", "schema", "none"])
def test_what_another_version_had_folded_is_not_resumed(
    database: Database, tmp_path: Path, change: str
) -> None:
    copy_log(database, written([*opening(), *(placing(name) for name in busy(32))]))
    catch_up(database.app_dsn)
    live = texts(database)
    assert run_rebuild(database, "rebuild-after-page:2").returncode == -signal.SIGKILL
    with psycopg.connect(database.owner_dsn) as owner:
        owner.execute("update orders__shadow set status = 'OLD' where key = 'av0'")
        if change == "schema":
            owner.execute("insert into schema_migrations values (9999, '9999_pre_later.sql', '')")
    try:
        again = run_rebuild(database, code=newer(tmp_path) if change == "code" else ROOT)
    finally:
        with psycopg.connect(database.owner_dsn) as owner:
            owner.execute("delete from schema_migrations where number = 9999")
    assert again.returncode == 0, again.stderr
    assert int(again.stdout.split()[0]) == (30 if change == "none" else 10)
    assert (texts(database) == live) is (change != "none")


def newer(folder: Path) -> Path:
    """Return a copy of our code with a change in a fold."""
    for package in ("adapters", "commands", "domain", "projections", "workers"):
        # What others compile just now comes and goes.
        kept_out = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / package, folder / package, ignore=kept_out)
    with (folder / "projections" / "orders.py").open("a") as changed:
        changed.write("CHANGED = True\n")
    return folder


def test_a_rebuild_of_an_empty_log_is_empty(database: Database) -> None:
    assert rebuild(database.owner_dsn, database.app_dsn, orders.PROJECTION) == 0
    assert texts(database)["orders"] == "[]"
