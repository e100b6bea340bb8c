"""The lake worker killed or frozen at its crash points, and the API without the lake's files."""

import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from adapters.lake.attach import attach
from adapters.lake.tables import FOLDED
from domain.log import Recorded
from tests.faults.processes import POLL_SECONDS, Process, until
from tests.lake.logs import begin, expected_counts, history, write
from tests.lake.test_lake_spool import candle, spool, waiting
from tests.lakes import Lake
from tests.postgres_fixture import Database
from tests.stores import empty

pytestmark = [pytest.mark.faults, pytest.mark.postgres]
POINTS = ("lake-after-rows", "lake-before-commit", "lake-after-commit", "lake-before-drop")
WORKER = ("aviary", "worker", "lake")
CANDLES = 3
REBUILD = ("aviary", "rebuild", "trades_lake")
_CHECKPOINT = "select position from checkpoints where projection = 'trades'"
_SEEN = "select " + ", ".join(
    [
        *(f"(select position from checkpoints where projection = '{name}')" for name in FOLDED),
        *(f"(select count(position) from {name})" for name in FOLDED),
        *(f"(select count(distinct position) from {name})" for name in FOLDED),
    ]
)


@pytest.fixture
def database(shared: Database) -> Database:
    empty(shared)
    return shared


@pytest.fixture
def run(database: Database, lake: Lake, tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """Return the factory of processes with this log and this lake."""
    with ExitStack() as stack:

        def start(name: str, arguments: Sequence[str] = WORKER, **extra: str) -> Process:
            environment = {
                "DATABASE_URL": database.app_dsn,
                "AVIARY_MIGRATE_DATABASE_URL": database.owner_dsn,
                **lake.environment,
            }
            process = Process(name, arguments, environment, tmp_path)
            stack.callback(process.kill)
            return process.start(**extra)

        yield start


def checkpoint(lake: Lake) -> int:
    return int(lake.ask(_CHECKPOINT)[0][0])


def check_counts(log: Sequence[Recorded], seen: Sequence[int]) -> None:
    """What one statement has seen is the whole of the log up to a checkpoint."""
    n = len(FOLDED)
    for number, table in enumerate(FOLDED):
        at, rows = seen[number], seen[n + number]
        assert rows == expected_counts(log, at)[table], (table, seen)


def caught_up(lake: Lake, log: Sequence[Recorded]) -> Callable[[], bool]:
    def check() -> bool:
        try:
            return lake.ask_all([_CHECKPOINT, "select count(*) from candles"]) == [
                [(len(log),)],
                [(CANDLES,)],
            ]
        except Exception:  # noqa: BLE001 - not made yet
            return False

    return check


@pytest.mark.parametrize("point", POINTS)
def test_a_worker_killed_at_a_point_leaves_no_half_batch_and_none_is_missing(
    database: Database, lake: Lake, run: Callable[..., Process], point: str
) -> None:
    log = begin(database, 6)
    spool(database, *(("candles", [candle(minute)]) for minute in range(CANDLES)))
    victim = run("victim", AVIARY_CRASH=f"{point}:1")
    until(lambda: victim.poll() is not None, "the worker is killed", 60)
    assert victim.poll() == -signal.SIGKILL
    with closing(attach(lake.reading)) as reader:
        check_counts(log, reader.execute(_SEEN).fetchall()[0])
        run("next")
        until(caught_up(lake, log), "the next one has caught up", 60)
        seen = reader.execute(_SEEN).fetchall()[0]
    check_counts(log, seen)
    assert seen[0] == len(log)
    assert lake.ask("select count(*) from candles") == [(CANDLES,)]
    until(lambda: waiting(database) == [], "the spool is empty")


def test_readers_see_whole_batches_while_writers_are_killed(
    database: Database, lake: Lake, run: Callable[..., Process]
) -> None:
    log = begin(database, 2)
    worker = run("worker")
    until(lambda: _has_begun(lake), "the lake is there", 60)
    deaths = Counter[str]()
    with closing(attach(lake.reading)) as reader:
        for number, point in enumerate((*POINTS[:3], *POINTS[:2])):
            worker.kill()
            log = write(database, history(4, f"b{number}-"))
            worker.start(AVIARY_CRASH=f"{point}:1")
            while worker.poll() is None:
                check_counts(log, reader.execute(_SEEN).fetchall()[0])
                time.sleep(POLL_SECONDS)
            deaths[point] += 1
            check_counts(log, reader.execute(_SEEN).fetchall()[0])
        worker.start()
        until(lambda: checkpoint(lake) == len(log), "all is folded", 60)
        check_counts(log, reader.execute(_SEEN).fetchall()[0])
    assert sum(deaths.values()) == 5


def _has_begun(lake: Lake) -> bool:
    try:
        return checkpoint(lake) > 0
    except Exception:  # noqa: BLE001 - not made yet
        return False


def test_one_frozen_before_its_commit_stores_nothing_when_it_wakes(
    database: Database, lake: Lake, run: Callable[..., Process]
) -> None:
    log = begin(database, 3)
    frozen = run("frozen", AVIARY_FREEZE="lake-before-commit:1")
    until(lambda: frozen.is_frozen, "the worker freezes", 60)
    run("other")
    until(lambda: _has_begun(lake), "the other takes over", 90)
    until(lambda: checkpoint(lake) == len(log), "the other has folded all")
    before = {table: lake.ask(f"from {table} order by all") for table in FOLDED}
    frozen.thaw()
    until(lambda: "faster" in frozen.log.read_text(), "the second commit is refused", 60)
    assert {table: lake.ask(f"from {table} order by all") for table in FOLDED} == before
    log = write(database, history(2, "after"))
    until(lambda: checkpoint(lake) == len(log), "both go on", 60)
    with closing(attach(lake.reading)) as reader:
        check_counts(log, reader.execute(_SEEN).fetchall()[0])


@pytest.mark.parametrize("point", ["rebuild-lake-after-page", "rebuild-lake-before-commit"])
def test_a_rebuild_killed_changes_nothing_and_the_next_one_ends(
    database: Database, lake: Lake, run: Callable[..., Process], point: str
) -> None:
    log = begin(database, 3)
    run("worker")
    until(lambda: _has_begun(lake) and checkpoint(lake) == len(log), "all is folded", 60)
    before = lake.ask("from trades order by all")
    victim = run("victim", REBUILD, AVIARY_CRASH=f"{point}:1")
    until(lambda: victim.poll() is not None, "the rebuild is killed", 60)
    assert victim.poll() == -signal.SIGKILL
    assert lake.ask("from trades order by all") == before
    log = write(database, history(1, "meanwhile"))
    again = run("again", REBUILD)
    until(lambda: again.poll() is not None, "the rebuild ends", 90)
    assert again.poll() == 0, again.log.read_text()
    until(lambda: checkpoint(lake) == len(log), "all is folded", 60)
    with closing(attach(lake.reading)) as reader:
        check_counts(log, reader.execute(_SEEN).fetchall()[0])
