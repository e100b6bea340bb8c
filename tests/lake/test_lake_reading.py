"""Reads of the lake: bounded, and honest when files or the catalogue are gone."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import psycopg
import pytest
from msgspec import structs

from adapters.lake.attach import LakeUnavailable, Place, extension_path
from adapters.lake.reading import LakeOverLimit, LakeReader
from adapters.lake.tables import FOLDED
from adapters.postgres.embedded import EmbeddedPostgres
from tests.lake.logs import begin
from tests.lakes import Lake, catch_up_lake, written
from tests.postgres_fixture import Database
from tests.stores import empty
from workers.lake.keeping import Keeping
from workers.lake.rebuilding import rebuild

pytestmark = pytest.mark.postgres
ENDLESS = "select sum(a.range * b.range) from range(10000000) a, range(10000000) b"
LARGE = "select count(*) from (select distinct md5(range::varchar) from range(5000000))"
COUNT = "select count(trade_id) from trades"


@pytest.fixture
def database(shared: Database) -> Database:
    empty(shared)
    return shared


@pytest.fixture
def filled(database: Database, lake: Lake) -> Lake:
    """Return a lake of four trades, whose rows lie in files."""
    begin(database, 2)
    catch_up_lake(lake, database.app_dsn)
    with written(lake.writing) as writer:
        Keeping(writer).keep()
    return lake


@asynccontextmanager
async def reading(place: Place | None, idle_seconds: float = 60) -> AsyncIterator[LakeReader]:
    reader = LakeReader(place, idle_seconds=idle_seconds)
    try:
        yield reader
    finally:
        await reader.close()


def files(lake: Lake) -> list[Path]:
    return list(lake.data.rglob("*.parquet"))


def test_queries_take_parameters_and_say_how_far_a_table_is(filled: Lake) -> None:
    async def ask() -> None:
        async with reading(filled.reading) as reader:
            query = "select count(*) from trades where order_id = ?"
            answers = await asyncio.gather(*(reader.query(query, ["av1"]) for _ in range(5)))
            assert answers == [[(2,)]] * 5
            assert await reader.position("trades") > 0
            with pytest.raises(LakeUnavailable, match="no checkpoint of 'nothing'"):
                await reader.position("nothing")

    asyncio.run(ask())


def test_a_query_over_its_time_is_ended_and_others_go_on(filled: Lake) -> None:
    async def ask() -> None:
        async with reading(filled.reading) as reader:
            assert await reader.query(COUNT) == [(4,)]
            slow = asyncio.create_task(reader.query(ENDLESS, seconds=0.5))
            assert await reader.query(COUNT) == [(4,)]
            with pytest.raises(LakeOverLimit, match=r"ended after 0\.5 s"):
                await slow
            assert await reader.query(COUNT) == [(4,)]

    asyncio.run(ask())


def test_a_query_that_nobody_waits_for_is_ended(filled: Lake) -> None:
    async def ask() -> None:
        async with reading(filled.reading) as reader:
            for _ in range(3):
                asked = asyncio.create_task(reader.query(ENDLESS, seconds=60))
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(asked, 0.3)
            assert await reader.query(COUNT, seconds=20) == [(4,)]

    asyncio.run(ask())


def test_a_query_over_its_memory_is_refused(filled: Lake) -> None:
    place = structs.replace(filled.reading, memory_mb=64, spill=f"{filled.folder}/file/none")
    Path(filled.folder, "file").write_text("no folder can be made here")

    async def ask() -> None:
        async with reading(place) as reader:
            with pytest.raises(LakeOverLimit, match="AVIARY_LAKE_MEMORY_MB"):
                await reader.query(LARGE, seconds=90)
            assert await reader.query(COUNT) == [(4,)]

    asyncio.run(ask())


def test_too_many_at_once_are_refused(filled: Lake) -> None:
    async def ask() -> None:
        async with reading(filled.reading) as reader:
            asked = [asyncio.create_task(reader.query(ENDLESS, seconds=1)) for _ in range(30)]
            done = await asyncio.gather(*asked, return_exceptions=True)
            assert all(isinstance(answer, LakeOverLimit) for answer in done)
            assert any("wait already" in str(answer) for answer in done)
            assert await reader.query(COUNT) == [(4,)]

    asyncio.run(ask())


def test_an_idle_reader_lets_its_database_go(filled: Lake, cluster: EmbeddedPostgres) -> None:
    sessions = "select count(*) from pg_stat_activity where datname = %s"

    async def ask() -> None:
        async with reading(filled.reading, idle_seconds=0.2) as reader:
            assert not reader.is_open
            await reader.query(COUNT)
            assert reader.is_open
            with psycopg.connect(cluster.dsn("superuser", "postgres"), autocommit=True) as watch:
                give_up_at = asyncio.get_running_loop().time() + 20
                while watch.execute(sessions, (filled.name,)).fetchone() != (0,):
                    assert asyncio.get_running_loop().time() < give_up_at
                    await asyncio.sleep(0.05)
            assert not reader.is_open
            assert await reader.query(COUNT) == [(4,)]

    asyncio.run(ask())


def test_without_a_lake_it_says_how_to_have_one() -> None:
    async def ask() -> None:
        async with reading(None) as reader:
            with pytest.raises(LakeUnavailable, match="AVIARY_LAKE_READER_DSN"):
                await reader.query("select 1")

    asyncio.run(ask())


def test_a_lake_that_nobody_has_made_yet_is_unavailable(lake: Lake) -> None:
    async def ask() -> None:
        async with reading(lake.reading) as reader:
            with pytest.raises(LakeUnavailable, match="does not exist"):
                await reader.query(COUNT)

    asyncio.run(ask())


def test_a_wrong_query_is_its_own_fault(filled: Lake) -> None:
    import duckdb

    async def ask() -> None:
        async with reading(filled.reading) as reader:
            with pytest.raises(duckdb.CatalogException):
                await reader.query("from nowhere")
            with pytest.raises(duckdb.ParserException):
                await reader.query("selct")
            with pytest.raises(duckdb.InvalidInputException, match="read-only"):
                await reader.query("delete from trades")

    asyncio.run(ask())


def test_sessions_that_the_server_ended_are_made_again(
    filled: Lake, cluster: EmbeddedPostgres
) -> None:
    async def ask() -> None:
        async with reading(filled.reading) as reader:
            await reader.query(COUNT)
            with psycopg.connect(cluster.dsn("superuser", "postgres"), autocommit=True) as killer:
                killer.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s",
                    (filled.name,),
                )
            assert await reader.query(COUNT) == [(4,)]

    asyncio.run(ask())


@pytest.mark.parametrize("login", ["wrong", "aviary_lake_reader"])
def test_a_catalogue_that_is_away_is_said_without_the_login(filled: Lake, login: str) -> None:
    there = "127.0.0.1:1" if login == "wrong" else "127.0.0.1:2"
    place = structs.replace(filled.reading, dsn=f"postgresql://{login}:geheim'x@{there}/lake")

    async def ask() -> None:
        async with reading(place) as reader:
            with pytest.raises(LakeUnavailable) as caught:
                await reader.query(COUNT)
            assert "geheim" not in str(caught.value)
            assert "cannot be read" in str(caught.value)

    asyncio.run(ask())


def lose(lake: Lake) -> None:
    shutil.rmtree(lake.data)


def cut(lake: Lake) -> None:
    for file in files(lake):
        file.write_bytes(file.read_bytes()[:100])


def scribble(lake: Lake) -> None:
    for file in files(lake):
        file.write_bytes(b"x" * file.stat().st_size)


@pytest.mark.parametrize("damage", [lose, cut, scribble])
def test_files_lost_or_damaged_are_said_and_a_rebuild_brings_equal_rows(
    database: Database, filled: Lake, damage: Callable[[Lake], None]
) -> None:
    before = {table: filled.ask(f"from {table} order by all") for table in FOLDED}
    assert files(filled)

    async def ask() -> None:
        async with reading(filled.reading) as reader:
            await reader.query(COUNT)
            damage(filled)
            with pytest.raises(LakeUnavailable, match="aviary rebuild"):
                await reader.query("select count(md5(trade_id)) from trades")
            assert await reader.position("trades") > 0  # The catalogue still knows.
            for table in FOLDED:
                await asyncio.to_thread(rebuild, filled.writing, database.app_dsn, table)
            assert await reader.query(COUNT) == [(4,)]

    asyncio.run(ask())
    assert {table: filled.ask(f"from {table} order by all") for table in FOLDED} == before


def test_keeping_changes_no_row_and_leaves_few_files(database: Database, lake: Lake) -> None:
    begin(database, 20)
    catch_up_lake(lake, database.app_dsn, page_events=10)
    before = {table: lake.ask(f"from {table} order by all") for table in FOLDED}
    with written(lake.writing) as writer:
        for _ in range(2):
            Keeping(writer).keep(reading_minutes=0)
    assert {table: lake.ask(f"from {table} order by all") for table in FOLDED} == before
    assert len(files(lake)) == len(FOLDED)
    with psycopg.connect(lake.dsn) as catalogue:
        (snapshots,) = catalogue.execute("select count(*) from ducklake_snapshot").fetchone() or ()
        assert snapshots <= len(FOLDED) + 2
        (inlined,) = catalogue.execute(
            """select i.table_name from ducklake_inlined_data_tables i join ducklake_table t
            using (table_id) where t.table_name = 'checkpoints'"""
        ).fetchone() or ("",)
        counted = f"select count(*), count(*) filter (where end_snapshot is null) from {inlined}"
        rows, live = catalogue.execute(counted.encode()).fetchone() or (0, 0)
        assert live == len(lake.ask("from checkpoints"))
        assert rows <= live + len(FOLDED)


@pytest.mark.parametrize("is_shared", [False, True])
def test_where_others_may_keep_files_none_is_deleted_that_the_lake_does_not_know(
    filled: Lake, *, is_shared: bool
) -> None:
    place = structs.replace(filled.writing, is_shared=is_shared)
    stranger = filled.data / "main" / "stranger.parquet"
    shutil.copy(files(filled)[0], stranger)
    os.utime(stranger, (0, 0))
    with written(place) as writer:
        Keeping(writer).keep()
    assert stranger.exists() == is_shared
    assert filled.ask(COUNT) == [(4,)]


def test_extensions_come_from_wheels() -> None:
    for name in ("ducklake", "postgres_scanner", "httpfs"):
        assert Path(extension_path(name)).exists()
    with pytest.raises(LakeUnavailable, match="duckdb-extension-nothing=="):
        extension_path("nothing")
