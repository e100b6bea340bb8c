"""What is left in the spool comes into the lake once; what the lake cannot take stays, in sight."""

import threading
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from adapters.postgres.connect import connect
from adapters.postgres.lake import OPTIONS
from tests.lake.logs import begin, rows_of
from tests.lakes import Lake, batching, catch_up_lake
from tests.postgres_fixture import Database
from tests.stores import empty
from workers.lake.chores import forget_candles
from workers.lake.worker import LakeAhead

pytestmark = pytest.mark.postgres
CANDLE = {
    "connector": "paper",
    "pair": "BTC-USDT",
    "interval": "1m",
    "opened_at_us": 60_000_000,
    "open": "1.000000000000000001",
    "high": "2",
    "low": "1",
    "close": "1.5",
    "volume": "10",
}
SPOOL = "insert into lake_spool (lake_table, rows) values (%s, %s)"


@pytest.fixture
def database(shared: Database) -> Database:
    empty(shared)
    return shared


def candle(minute: int) -> dict[str, Any]:
    return {**CANDLE, "opened_at_us": minute * 60_000_000}


def spool(database: Database, *entries: tuple[str, list[dict[str, Any]]]) -> None:
    with psycopg.connect(database.app_dsn, autocommit=True) as writer:
        writer.execute("set role aviary_writer")
        for table, rows in entries:
            writer.execute(SPOOL, (table, Jsonb(rows)))


def waiting(database: Database) -> list[tuple[Any, ...]]:
    return rows_of(database, "select lake_table, refused from lake_spool order by id")


def test_rows_pass_through_the_spool(database: Database, lake: Lake) -> None:
    spool(database, ("candles", [candle(1), candle(2)]), ("candles", [candle(3)]))
    catch_up_lake(lake, database.app_dsn)
    assert lake.ask("select count(*), min(open)::varchar from candles") == [
        (3, "1.000000000000000001")
    ]
    assert waiting(database) == []


def test_an_export_of_an_event_keeps_its_bytes(database: Database, lake: Lake) -> None:
    spool(database, ("events", [{"position": 1, "tag": "x.v1", "seal": "00ff"}]))
    catch_up_lake(lake, database.app_dsn)
    assert lake.ask("select position, tag, seal, actor from events") == [
        (1, "x.v1", b"\x00\xff", None)
    ]


def test_what_was_stored_and_not_yet_dropped_is_not_stored_again(
    database: Database, lake: Lake
) -> None:
    spool(database, ("candles", [candle(1)]))
    catch_up_lake(lake, database.app_dsn)
    with psycopg.connect(database.owner_dsn) as owner:
        (checkpoint,) = lake.ask("select position from checkpoints where projection = 'spool'")[0]
        owner.execute(
            """insert into lake_spool (id, lake_table, rows)
            overriding system value values (%s, 'candles', %s)""",
            (checkpoint, Jsonb([candle(1)])),
        )
    catch_up_lake(lake, database.app_dsn)
    assert lake.ask("select count(*) from candles") == [(1,)]
    assert waiting(database) == []


@pytest.mark.parametrize(
    ("table", "row", "reason"),
    [
        ("nowhere", CANDLE, "no table"),
        ("trades", {"position": 1}, "no table that is filled through the spool"),
        ("candles", {**CANDLE, "colour": "red"}, "no columns"),
        ("candles", {**CANDLE, "open": "many"}, "many"),
        ("candles", {**CANDLE, "open": "1e30"}, "1e30"),
    ],
)
def test_what_the_lake_cannot_take_stays_with_the_reason(
    database: Database, lake: Lake, table: str, row: dict[str, Any], reason: str
) -> None:
    begin(database, 1)
    spool(database, ("candles", [candle(1)]), (table, [row]), ("candles", [candle(2)]))
    catch_up_lake(lake, database.app_dsn)
    assert lake.ask("select count(*) from candles") == [(2,)]
    ((kept, refused),) = waiting(database)
    assert kept == table
    assert reason in str(refused)
    assert lake.ask("select count(*) from trades") == [(2,)]


def test_an_entry_whose_number_was_drawn_early_and_committed_late_is_not_passed_over(
    database: Database, lake: Lake
) -> None:
    with batching(lake, database.app_dsn) as (batches, _):
        with psycopg.connect(database.owner_dsn) as slow:
            slow.execute(SPOOL, ("candles", Jsonb([candle(1)])))  # Its number is drawn.
            spool(database, ("candles", [candle(2)]))
            assert batches.step() == 0  # Somebody is adding: not now.
        assert batches.step() == 2
    assert lake.ask("select count(*) from candles") == [(2,)]


def test_a_spool_that_was_restored_is_refused_until_candles_are_forgotten(
    database: Database, lake: Lake
) -> None:
    spool(database, ("candles", [candle(1)]), ("candles", [candle(2)]))
    catch_up_lake(lake, database.app_dsn)
    ((before,),) = rows_of(database, "select last_value from lake_spool_id_seq")
    with psycopg.connect(database.owner_dsn) as owner:
        owner.execute("alter sequence lake_spool_id_seq restart")  # As a backup would.
    spool(database, ("candles", [candle(3)]))
    with batching(lake, database.app_dsn) as (batches, writer):
        with pytest.raises(LakeAhead, match="forget-candles"):
            batches.step()
        assert waiting(database) == [("candles", None)]
        with connect(database.app_dsn, OPTIONS, autocommit=True) as session:
            forget_candles(session, writer)
        assert batches.step() == 1
    assert lake.ask("select opened_at_us from candles") == [(180_000_000,)]
    with psycopg.connect(database.owner_dsn) as owner:
        owner.execute("select setval('lake_spool_id_seq', %s)", (before,))


def test_adding_does_not_wait_for_a_batch(database: Database, lake: Lake) -> None:
    begin(database, 1)
    with batching(lake, database.app_dsn) as (batches, writer):
        writer.connection.execute("begin")
        done = threading.Event()

        def add() -> None:
            spool(database, ("candles", [candle(1)]))
            done.set()

        adding = threading.Thread(target=add)
        adding.start()
        assert done.wait(60)
        adding.join()
        writer.connection.execute("rollback")
        while batches.step():
            pass
    assert lake.ask("select count(*) from candles") == [(1,)]
