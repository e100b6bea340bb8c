"""Candles go into the lake; old ones leave Postgres, and are answered as before."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from msgspec import structs

from adapters.lake.attach import LakeUnavailable
from adapters.lake.reading import LakeReader
from adapters.postgres import lake_chores
from adapters.postgres.candles import Series, saving
from adapters.postgres.connect import READER_OPTIONS, connect, connect_async
from adapters.postgres.lake import OPTIONS
from adapters.venues.market_port import PublicVenue
from adapters.venues.port import Candle
from api.market.archived_candles import Old, old_of
from api.market.candles import Candles
from api.market.venues import Venues
from tests.lakes import Lake, written
from tests.market.scripted import ScriptedVenue
from tests.postgres_fixture import Database
from workers.lake.chores import forget_candles, move_candles
from workers.lake.worker import Batches

pytestmark = pytest.mark.postgres
MINUTE_US, DAY_US = 60_000_000, 86_400_000_000
BEGIN_US = 1_700_000_040_000_000
END_US = BEGIN_US + 300 * MINUTE_US
SERIES = Series("paper", "A-B", "1m")
ROOT = Path(__file__).parents[2]


def bar(number: int) -> Candle:
    price = Decimal(number + 1) / 100
    return Candle(
        start_us=BEGIN_US + number * MINUTE_US,
        open=price,
        high=price * 20,
        low=Decimal("0.1234567890123456789012") if number == 7 else price / 2,
        close=Decimal(12345678901234567890123) if number == 8 else price,
        volume=Decimal(1000),
        trades=None if number % 2 else number,
        quote_volume=Decimal("1.50"),
    )


class World:
    def __init__(self, database: Database, lake: Lake) -> None:
        self.database = database
        self.lake = lake
        self.venue = ScriptedVenue()
        self.venue.bars = {one.start_us: one for one in map(bar, (*range(100), *range(150, 300)))}
        self.venue.now_us = BEGIN_US + 40 * DAY_US
        self.before_read: Callable[[str], None] = lambda _: None

    def ask(
        self,
        start_us: int = BEGIN_US,
        end_us: int = END_US,
        rows_max: int = 10_000,
        *,
        newest: bool = False,
        with_lake: bool = True,
    ) -> list[dict[str, Any]]:
        async def scenario(candles: Candles) -> list[dict[str, Any]]:
            found = await candles.rows(SERIES, start_us, end_us, rows_max, newest=newest)
            shown: list[dict[str, Any]] = json.loads(found.json)
            assert found.count == len(shown)
            return shown

        return asyncio.run(self._play(scenario, with_lake=with_lake))

    async def _play(
        self, scenario: Callable[[Candles], Awaitable[list[dict[str, Any]]]], *, with_lake: bool
    ) -> list[dict[str, Any]]:
        async def make(_: str) -> PublicVenue:
            return self.venue

        reader = LakeReader(self.lake.reading)
        old: Old | None = old_of(reader) if with_lake else None
        async with await connect_async(self.database.app_dsn, READER_OPTIONS) as connection:

            async def read(query: str, asked: Mapping[str, object]) -> list[Any]:
                self.before_read(query)
                return await (await connection.execute(query.encode(), asked)).fetchall()

            candles = Candles(
                Venues(make, ["paper"]),
                read,
                self.database.app_dsn,
                lambda *_: None,
                lambda: self.venue.now_us,
                old=old,
            )
            try:
                return await scenario(candles)
            finally:
                await candles.close()
                await reader.close()

    def spool(self) -> None:
        with (
            connect(self.database.app_dsn, OPTIONS, autocommit=True) as session,
            written(self.lake.writing) as writer,
        ):
            batches = Batches(session, writer)
            while batches.step():
                pass

    def move(self, before_us: int = END_US, limit: int = 64) -> int:
        taken = 0
        with (
            connect(self.database.app_dsn, OPTIONS, autocommit=True) as session,
            written(self.lake.writing) as writer,
        ):
            while found := move_candles(session, writer, before_us, limit):
                taken += found
        return taken

    def kept(self) -> int:
        return int(self.sql("select count(*) from candles")[0][0])

    def in_lake(self) -> list[tuple[Any, ...]]:
        return self.lake.ask("select opened_at_us from candles order by 1")

    def sql(self, query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.database.owner_dsn, autocommit=True) as owner:
            cursor = owner.execute(query.encode())
            return cursor.fetchall() if cursor.description else []


@pytest.fixture
def world(migrated: Callable[[], Database], lake: Lake) -> World:
    return World(migrated(), lake)


def starts(world: World) -> list[tuple[int]]:
    return [(start,) for start in sorted(world.venue.bars)]


def test_what_is_fetched_goes_into_the_lake_with_all_its_digits(world: World) -> None:
    world.ask()
    world.spool()
    assert world.in_lake() == starts(world)
    columns = "low, close, trades, quote_volume, exact::json"
    found = world.lake.ask(f"select {columns} from candles order by opened_at_us limit 9")
    assert found[6] == (Decimal("0.035"), Decimal("0.07"), 6, Decimal("1.5"), None)
    assert found[7][:3] == (None, Decimal("0.08"), None)
    assert json.loads(found[7][4]) == {"low": "0.1234567890123456789012"}
    assert json.loads(found[8][4]) == {"close": "12345678901234567890123"}


@pytest.mark.parametrize("before", [0, 10, 120, 151, 300])
def test_an_answer_is_the_same_wherever_its_candles_are(world: World, before: int) -> None:
    asked: tuple[dict[str, Any], ...] = (
        {},
        {"rows_max": 17},
        {"rows_max": 17, "newest": True},
        {"rows_max": 170, "newest": True},
        {"start_us": BEGIN_US + 5 * MINUTE_US, "end_us": BEGIN_US + 9 * MINUTE_US},
        {"start_us": BEGIN_US + 110 * MINUTE_US, "end_us": BEGIN_US + 140 * MINUTE_US},
    )
    then = [world.ask(**one) for one in asked]
    calls = world.venue.asked["candles 1m"]
    world.spool()
    moved = world.move(BEGIN_US + before * MINUTE_US)
    assert moved == len([n for n in (*range(100), *range(150, 300)) if n < before])
    assert world.kept() == 250 - moved
    assert [world.ask(**one) for one in asked] == then
    assert world.venue.asked["candles 1m"] == calls, "nothing was fetched again"
    assert world.in_lake() == starts(world)


def test_those_kept_before_there_was_a_lake_are_moved_as_well(world: World) -> None:
    then = world.ask(with_lake=False)
    assert world.sql("select count(*) from lake_spool") == [(0,)]
    assert world.move() == 250
    assert (world.kept(), world.in_lake()) == (0, starts(world))
    assert world.ask() == then


def test_what_waits_in_the_spool_is_not_moved(world: World) -> None:
    world.ask()
    assert world.move() == 0
    assert world.kept() == 250


@pytest.mark.parametrize("before", [0, 150])
@pytest.mark.parametrize("nth", range(1, 7))
def test_a_move_amid_a_question_leaves_no_hole(world: World, before: int, nth: int) -> None:
    then = world.ask()
    world.spool()
    world.move(BEGIN_US + before * MINUTE_US)
    reads: list[str] = []

    def move_before(query: str) -> None:
        reads.append(query)
        if len(reads) == nth:
            world.move()

    world.before_read = move_before
    assert world.ask() == then


def test_what_another_process_kept_and_the_worker_moved_is_not_kept_again(world: World) -> None:
    then = world.ask()
    world.spool()
    world.move()

    async def save() -> None:
        async with saving(world.database.app_dsn, SERIES, has_lake=True) as keep:
            bars = [*map(bar, range(90, 100)), bar(300)]
            await keep(bars, BEGIN_US + 90 * MINUTE_US, BEGIN_US + 301 * MINUTE_US)

    asyncio.run(save())
    world.spool()
    assert world.kept() == 1, "only the one that nobody had kept"
    assert world.in_lake() == [*starts(world), (bar(300).start_us,)]
    assert world.ask() == then


def test_candles_are_on_the_disk_before_they_leave_postgres(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.ask()
    world.spool()
    done: list[str] = []
    drop = lake_chores.drop_candles

    def dropped(*given: Any) -> None:
        done.append("drop")
        drop(*given)

    monkeypatch.setattr(os, "sync", lambda: done.append("sync"))
    monkeypatch.setattr(lake_chores, "drop_candles", dropped)
    world.move(limit=150)
    assert done == ["sync", "drop"] * 2


@pytest.mark.parametrize(
    ("point", "nth", "is_spooled"),
    [
        ("lake-after-rows", 2, False),
        ("lake-before-commit", 1, False),
        ("lake-after-commit", 2, False),
        ("lake-candles-in-lake", 2, False),
        ("lake-candles-in-lake", 1, True),
        ("lake-after-commit", 1, True),
    ],
)
def test_killed_at_any_step_no_candle_is_there_twice_and_none_is_missing(
    world: World, point: str, nth: int, *, is_spooled: bool
) -> None:
    then = world.ask(with_lake=is_spooled)
    code = f"""
from tests.analytics.test_candle_archive import *
world = World(
    Database({world.database.name!r}, {world.database.owner_dsn!r}, {world.database.app_dsn!r}),
    Lake({world.lake.name!r}, Path({str(world.lake.folder)!r}), {world.lake.dsn!r},
        {world.lake.reader_dsn!r}),
)
world.spool()
world.move()
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
    assert world.ask() == then
    world.spool()
    world.move()
    assert (world.kept(), world.in_lake()) == (0, starts(world))
    assert world.ask() == then


def test_without_the_lake_old_candles_are_refused_and_young_ones_are_not(world: World) -> None:
    then = world.ask()
    world.spool()
    world.move(BEGIN_US + 150 * MINUTE_US)
    away = World(
        world.database, structs.replace(world.lake, reader_dsn=f"{world.lake.reader_dsn}x")
    )
    away.venue.now_us = world.venue.now_us
    with pytest.raises(LakeUnavailable):
        away.ask()
    young = BEGIN_US + 150 * MINUTE_US
    assert away.ask(young) == [row for row in then if row["timestamp"] * 1_000_000 >= young]


def test_forgotten_candles_are_fetched_again(world: World) -> None:
    then = world.ask()
    world.spool()
    world.move(BEGIN_US + 150 * MINUTE_US)
    for path in world.lake.data.rglob("*.parquet"):
        path.unlink()
    with (
        connect(world.database.app_dsn, OPTIONS, autocommit=True) as session,
        written(world.lake.writing) as writer,
    ):
        forget_candles(session, writer)
    calls = world.venue.asked["candles 1m"]
    assert world.in_lake() == []
    assert world.ask() == then
    assert world.venue.asked["candles 1m"] > calls
    world.spool()
    world.move()
    assert world.in_lake() == starts(world)
    assert world.ask() == then
