"""A read model about money that meets what it cannot fold: it stands still, the others go on, and
what it shows is never more than it knows.
"""

import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest
import typer
from msgspec import structs

from adapters.postgres.connect import READER_OPTIONS, connect
from adapters.postgres.rows import CheckpointMoved
from adapters.settings import Settings
from commands import codec
from commands.seal import seal
from domain.log import Metadata, Recorded
from projections import PROJECTIONS, pnl
from projections.projection import Fact, Projection
from tests.folds import copy_log, texts, texts_of_pure_fold, written
from tests.messages import fill_of, filled
from tests.pnl.logs import Trade, requests_of, rows, some
from tests.postgres_fixture import Database
from tests.stores import empty
from workers.projecting import parked, projector
from workers.projecting.halted import HaltedModel, list_halted, retry_halted
from workers.projecting.parked import ParkedKey, Retried, list_parked, retry_parked
from workers.projecting.projector import Halted, Projector, catch_up
from workers.projecting.rebuild import rebuild
from workers.running.database import Dsns
from workers.tools import rebuilding
from workers.tools.checking import examine

pytestmark = pytest.mark.postgres

ROOT = Path(__file__).parents[2]
BEGIN = len(requests_of([]))
HISTORY: list[Trade] = [
    *some(("1", "100"), ("1", "110")),
    (3, fill_of("t3", "5", "100")),
    (0, fill_of("t4", "2", "120")),
]
BAD = BEGIN + 2
"""Where the second of these fills stands."""
KEY, OTHER = "main/paper/BTC-USDT", "other/paper/BTC-USDT"


class Poison:
    """A fold that fails on the named positions until it is cured."""

    def __init__(self, *positions: int) -> None:
        self.positions = set(positions)

    def __call__(self, row: Any, fact: Fact, key: str) -> Any:
        if fact.position in self.positions:
            raise ZeroDivisionError(f"poison at {fact.position}")
        return pnl.evolve(row, fact, key)


@pytest.fixture
def database(shared: Database) -> Database:
    empty(shared)
    return shared


@pytest.fixture
def log(database: Database) -> list[Recorded]:
    made = written(requests_of(HISTORY))
    copy_log(database, made)
    assert made[BAD - 1].tag == "order.filled.v1"
    return made


@pytest.fixture
def poison(monkeypatch: pytest.MonkeyPatch) -> tuple[Poison, tuple[Projection, ...]]:
    fold = Poison(BAD)
    poisoned = structs.replace(pnl.PROJECTION, evolve=fold)
    projections = tuple(poisoned if p.name == "pnl" else p for p in PROJECTIONS)
    monkeypatch.setattr(parked, "PROJECTIONS", projections)
    monkeypatch.setattr(projector, "PROJECTIONS", projections)
    return fold, projections


def ask(database: Database, query: str) -> list[Any]:
    with connect(database.app_dsn, READER_OPTIONS, autocommit=True) as reader:
        return reader.execute(query.encode()).fetchall()


def checkpoints(database: Database) -> dict[str, int]:
    return dict(ask(database, "select projection, position from checkpoints"))


def halted_now(database: Database) -> list[HaltedModel]:
    with connect(database.app_dsn, READER_OPTIONS, autocommit=True) as reader:
        return list_halted(reader)


@pytest.mark.parametrize("page", [1, 3, 500])
def test_it_stops_before_the_event_and_the_others_go_on(
    database: Database,
    log: list[Recorded],
    poison: tuple[Poison, tuple[Projection, ...]],
    page: int,
) -> None:
    fold, projections = poison
    with closing(Projector(database.app_dsn, projections, page_events=page)) as folding:
        while folding.step().events:
            pass
        others = {p.name: len(log) for p in PROJECTIONS if p.name != "pnl"}
        assert checkpoints(database) == {**others, "pnl": BAD - 1}
        assert {key: row["trades"] for key, row in rows(database).items()} == {KEY: 1}
        error = "ZeroDivisionError: poison at"
        assert halted_now(database) == [HaltedModel("pnl", BAD, f"{error} {BAD}", 3)]
        with connect(database.app_dsn, READER_OPTIONS, autocommit=True) as reader:
            assert list_parked(reader) == [ParkedKey("pnl", "*", BAD, 3, f"{error} {BAD}")]
        assert ask(database, "select min(position) from read_positions") == [(len(log),)]
        with pytest.raises(psycopg.Error, match=f"pnl stands still before position {BAD}") as found:
            ask(database, f"select read_position_of('pnl', {len(log)})")
        assert found.value.sqlstate == "AV503"
        assert ask(database, f"select read_position_of('pnl', {BAD - 1})") == [(BAD - 1,)]

        fold.positions = {BAD + 1}
        again = Retried("pnl", "*", is_cured=False, error=f"{error} {BAD + 1}")
        assert retry_parked(database.app_dsn) == [again]
        assert halted_now(database)[0].position == BAD + 1
        assert checkpoints(database)["pnl"] == BAD
        fold.positions.clear()
        assert retry_parked(database.app_dsn, "orders") == []
        assert retry_parked(database.app_dsn, "pnl", KEY) == []
        assert retry_parked(database.app_dsn) == [Retried("pnl", "*", is_cured=True)]
        assert halted_now(database) == []
        assert checkpoints(database) == {**others, "pnl": len(log)}
        assert texts(database) == texts_of_pure_fold(database, log)
        with pytest.raises(CheckpointMoved):
            folding.step()  # It begins again, with the one that is back.
    assert catch_up(database.app_dsn) == len(log)


def test_what_the_table_refuses_halts_it_as_well(database: Database, log: list[Recorded]) -> None:
    with psycopg.connect(database.owner_dsn) as owner:
        owner.execute("alter table pnl add constraint small check (quantity < 2)")
    try:
        catch_up(database.app_dsn)
        assert checkpoints(database)["pnl"] == BAD - 1
        (stopped,) = halted_now(database)
        assert stopped.error.startswith("CheckViolation")
        assert checkpoints(database)["orders"] == len(log)
        with pytest.raises(Halted):
            rebuild(database.owner_dsn, database.app_dsn, pnl.PROJECTION)
    finally:
        with psycopg.connect(database.owner_dsn) as owner:
            owner.execute("alter table pnl drop constraint small")
            owner.execute("drop table if exists pnl__shadow")
            owner.execute("delete from checkpoints where projection = 'pnl__shadow'")
    assert retry_parked(database.app_dsn) == [Retried("pnl", "*", is_cured=True)]
    assert texts(database) == texts_of_pure_fold(database, log)


def test_a_fill_of_no_account_is_in_no_figure_and_stops_them(database: Database) -> None:
    tail = Metadata(command_id="c", correlation_id="c", actor="a", recorded_at_us=1)
    log = extended(written(requests_of([])), codec.encode(filled("t1", "1")), tail)
    copy_log(database, log)
    catch_up(database.app_dsn)
    (stopped,) = halted_now(database)
    assert (stopped.position, rows(database)) == (len(log), {})
    assert "A fill of order-av0 has no account" in stopped.error


def extended(log: list[Recorded], payload: bytes, metadata: Metadata) -> list[Recorded]:
    """With one more event of the first order."""
    version = sum(event.stream == "order-av0" for event in log) + 1
    fields = ("order-av0", version, "order.filled.v1", payload, msgspec.json.encode(metadata))
    sealed = seal(log[-1].seal, log[-1].position + 1, *fields)
    return [*log, Recorded(log[-1].position + 1, *fields, sealed)]


def test_a_rebuild_that_meets_the_event_leaves_the_rows_and_cures_when_it_is_mended(
    database: Database, log: list[Recorded], poison: tuple[Poison, tuple[Projection, ...]]
) -> None:
    fold, projections = poison
    catch_up(database.app_dsn, projections)
    before, stopped = texts(database), halted_now(database)
    (poisoned,) = (p for p in projections if p.name == "pnl")
    with pytest.raises(Halted, match=f"pnl__shadow stops at position {BAD}"):
        rebuild(database.owner_dsn, database.app_dsn, poisoned)
    assert (texts(database), halted_now(database)) == (before, stopped)
    fold.positions.clear()
    assert rebuild(database.owner_dsn, database.app_dsn, poisoned) == len(log)
    assert halted_now(database) == []
    assert texts(database) == texts_of_pure_fold(database, log)
    assert catch_up(database.app_dsn) == len(log)


CRASH = f"""
import sys
from msgspec import structs
from projections import PROJECTIONS, pnl
from workers.projecting import parked
from workers.projecting.projector import catch_up

def evolve(row, fact, key):
    if fact.position == {BAD}:
        raise ZeroDivisionError
    return pnl.evolve(row, fact, key)

poisoned = structs.replace(pnl.PROJECTION, evolve=evolve)
if sys.argv[2] == "retry":
    parked.retry_parked(sys.argv[1])
else:
    catch_up(sys.argv[1], tuple(poisoned if p.name == "pnl" else p for p in PROJECTIONS))
"""


def run(database: Database, what: str, crash: str) -> int:
    return subprocess.run(
        [sys.executable, "-c", CRASH, database.app_dsn, what],
        cwd=ROOT,
        env={**os.environ, "AVIARY_CRASH": crash},
        check=False,
    ).returncode


@pytest.mark.faults
@pytest.mark.parametrize(
    "point",
    [
        "halting-after-note",
        *(f"projector-after-{step}" for step in ("rows", "checkpoint", "commit")),
    ],
)
def test_killed_while_it_halts_it_has_halted_or_not_begun_to(
    database: Database, log: list[Recorded], point: str
) -> None:
    assert run(database, "follow", f"{point}:1") == -signal.SIGKILL
    has_committed = point == "projector-after-commit"
    assert [model.position for model in halted_now(database)] == [BAD] * has_committed
    assert [row["trades"] for row in rows(database).values()] == [1] * has_committed
    assert run(database, "follow", "") == 0
    assert [model.position for model in halted_now(database)] == [BAD]
    assert checkpoints(database)["pnl"] == BAD - 1
    assert checkpoints(database)["orders"] == len(log)
    assert run(database, "retry", "projector-after-commit:1") == -signal.SIGKILL
    assert [model.position for model in halted_now(database)] == [BAD], "not lifted yet"
    assert run(database, "retry", "") == 0
    assert halted_now(database) == []
    assert texts(database) == texts_of_pure_fold(database, log)


@pytest.mark.usefixtures("log")
def test_a_rebuild_by_hand_says_what_stops_it_and_fails(
    database: Database,
    poison: tuple[Poison, tuple[Projection, ...]],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, projections = poison
    named = {p.name: p for p in projections}
    monkeypatch.setattr(rebuilding, "_BY_NAME", named)
    dsns = Dsns(database.app_dsn, database.owner_dsn)
    with pytest.raises(typer.Exit) as ended:
        rebuilding.rebuild(dsns, "pnl", lambda _at, _head: None)
    assert ended.value.exit_code == 1
    said = " ".join(capsys.readouterr().err.split())
    assert f"stops at position {BAD}: ZeroDivisionError: poison at {BAD}. Its rows" in said


@pytest.mark.usefixtures("log")
def test_the_doctor_says_which_stands_still_since_when_and_why(
    database: Database, poison: tuple[Poison, tuple[Projection, ...]], tmp_path: Path
) -> None:
    catch_up(database.app_dsn, poison[1])
    table, is_well = examine(Settings(database_url=database.app_dsn, data_dir=tmp_path))
    what, how, well = (list(column.cells) for column in table.columns)
    at = what.index("read model pnl")
    assert how[at] == (
        f"halted at position {BAD} (3 events wait): ZeroDivisionError: poison at {BAD}"
    )
    assert (well[at], is_well) == ("[red]no[/red]", False)


@pytest.mark.usefixtures("log")
def test_a_retry_that_fails_does_not_stop_what_another_has_cured(
    database: Database, poison: tuple[Poison, tuple[Projection, ...]]
) -> None:
    fold, projections = poison
    catch_up(database.app_dsn, projections)
    (poisoned,) = (p for p in projections if p.name == "pnl")

    def cured_meanwhile(row: Any, fact: Fact, key: str) -> Any:
        with psycopg.connect(database.owner_dsn) as owner:
            owner.execute("delete from halts")
        return fold(row, fact, key)

    late = structs.replace(poisoned, evolve=cured_meanwhile)
    ((name, error),) = retry_halted(database.app_dsn, (late,))
    assert (name, error) == ("pnl", f"ZeroDivisionError: poison at {BAD}")
    assert halted_now(database) == []
