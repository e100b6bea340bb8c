"""Batches into a real lake: equal to the read models, each row once, whoever else writes."""

from collections.abc import Callable
from contextlib import ExitStack, closing

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.lake.attach import attach
from adapters.lake.tables import FOLDED, TABLES
from adapters.postgres.embedded import EmbeddedPostgres, Role
from domain.account import DeleteAccount
from domain.order_messages import Command
from tests.lake.logs import FINE, begin, expected_counts, history, observing, rows_of, write
from tests.lakes import Lake, attached, batching, catch_up_lake, written
from tests.messages import order_commands
from tests.postgres_fixture import Database
from tests.stores import empty, opening, placing, request_for
from workers.lake.rebuilding import rebuild
from workers.lake.worker import LakeAhead
from workers.lake.writing import CheckpointMoved, Moved
from workers.projecting.projector import catch_up

pytestmark = pytest.mark.postgres
ORDERS = ("av1", "av2", "av3")


@pytest.fixture
def database(shared: Database) -> Database:
    empty(shared)
    return shared


def everything(lake: Lake) -> dict[str, list[tuple[object, ...]]]:
    found = lake.ask_all([f"from {table} order by all" for table in FOLDED])
    return dict(zip(FOLDED, found, strict=True))


def check_against_read_models(lake: Lake, database: Database) -> None:
    catch_up(database.app_dsn)
    fills = """select order_id, trade_id, account, connector, pair, side, quantity, price, fee,
        fee_token, executed_at_us, position
        from trades order by position"""
    columns = """account, connector, pair, side, order_type, quantity, price, outcome, filled,
        filled_notional, created_at_us, updated_at_us, position"""
    last = f"""select order_id, {columns} from orders
        qualify row_number() over (partition by order_id order by position desc) = 1
        order by order_id"""
    assert lake.ask_all([fills, last]) == [
        rows_of(database, fills),
        rows_of(database, f"select key, {columns} from orders order by key"),
    ]


def test_the_lake_says_what_the_read_models_say(database: Database, lake: Lake) -> None:
    log = begin(database)
    assert catch_up_lake(lake, database.app_dsn, page_events=7) == len(log)
    check_against_read_models(lake, database)
    assert {table: len(rows) for table, rows in everything(lake).items()} == expected_counts(
        log, len(log)
    )
    assert rows_of(database, "select count(*) from funding") == lake.ask(
        "select count(*) from funding"
    )


def test_a_deleted_account_ends_with_a_row_of_nothing(database: Database, lake: Lake) -> None:
    deleting = request_for("account-main", DeleteAccount("main"), "delete main")
    log = write(database, [*opening(), observing(1), deleting])
    catch_up_lake(lake, database.app_dsn)
    live = everything(lake)
    assert len(live["portfolio"]) == expected_counts(log, len(log))["portfolio"]
    assert lake.ask(
        "select account, token, value from portfolio where position = (select max(position) "
        "from portfolio)"
    ) == [("main", "", 0)]
    rebuild(lake.writing, database.app_dsn, "portfolio")
    assert everything(lake) == live


def test_values_are_the_sums_of_what_is_held(database: Database, lake: Lake) -> None:
    begin(database, 1)
    catch_up_lake(lake, database.app_dsn)
    values = lake.ask(
        """select position, observed_at_us, account, connector, value, is_carried
        from portfolio_values
        order by position"""
    )
    assert len(values) > 1
    assert values == lake.ask(
        """select position, observed_at_us, account, connector, sum(value), bool_or(is_carried)
        from portfolio
        group by all
        order by position"""
    )


def test_a_lake_from_before_a_table_gets_it_whole(database: Database, lake: Lake) -> None:
    begin(database, 3)
    catch_up_lake(lake, database.app_dsn)
    live = everything(lake)
    with closing(attach(lake.writing, is_writer=True)) as owner:
        owner.execute("drop table portfolio_values")
        owner.execute("delete from checkpoints where projection = 'portfolio_values'")
    catch_up_lake(lake, database.app_dsn)
    assert everything(lake) == live


def test_a_figure_that_is_too_fine_is_told_as_text(database: Database, lake: Lake) -> None:
    begin(database, 1)
    catch_up_lake(lake, database.app_dsn)
    (found,) = lake.ask(
        """select distinct units, available, price, value, json_extract_string(exact, '$.units')
        from portfolio where token = 'DUST'"""
    )
    assert found == (None, None, None, None, str(FINE))


random_commands = st.lists(st.tuples(st.sampled_from(ORDERS), order_commands), max_size=25)


@settings(max_examples=5)
@given(random_commands, st.integers(1, 9))
def test_whatever_happened_in_whatever_batches_it_equals_the_read_models_and_a_rebuild(
    shared: Database,
    make_lake: Callable[[], Lake],
    commands: list[tuple[str, Command]],
    page_events: int,
) -> None:
    empty(shared)
    lake = make_lake()
    requests = [
        request_for(f"order-{order}", command, f"command {number}")
        for number, (order, command) in enumerate(commands)
    ]
    log = write(shared, [*opening(), *(placing(order) for order in ORDERS), *requests])
    catch_up_lake(lake, shared.app_dsn, page_events=page_events)
    check_against_read_models(lake, shared)
    live = everything(lake)
    for table in FOLDED:
        assert rebuild(lake.writing, shared.app_dsn, table) == len(log)
    assert everything(lake) == live


def test_an_order_that_is_not_remembered_is_folded_from_its_stream(
    database: Database, lake: Lake
) -> None:
    write(database, [*opening(), *history(4)[:6]])
    catch_up_lake(lake, database.app_dsn)
    log = write(database, history(4))
    with batching(lake, database.app_dsn, page_events=5) as (batches, _):
        while batches.step():
            pass
    check_against_read_models(lake, database)
    assert len(everything(lake)["orders"]) == expected_counts(log, len(log))["orders"]


def test_of_two_writers_of_one_batch_the_second_is_refused(database: Database, lake: Lake) -> None:
    begin(database, 2)
    with written(lake.writing) as first, written(lake.writing) as second:
        row = {**dict.fromkeys(TABLES["trades"]), "position": 1, "trade_id": "t"}
        second.connection.execute("begin")
        second.connection.execute("insert into trades by name select 1 as position")
        second.connection.execute(
            "update checkpoints set position = 3 where projection = 'trades' and position = 0"
        )
        first.save({"trades": [row]}, {"trades": Moved(0, 2)})
        with pytest.raises(Exception, match="conflict"):
            second.connection.execute("commit")
        with pytest.raises(CheckpointMoved, match="another one moved"):
            second.save({"trades": [row]}, {"trades": Moved(0, 2)})
    assert lake.ask("select trade_id from trades") == [("t",)]
    assert lake.ask("select position from checkpoints where projection = 'trades'") == [(2,)]


def test_two_workers_side_by_side_store_each_row_once(database: Database, lake: Lake) -> None:
    log = begin(database)
    with ExitStack() as stack:
        both = [
            stack.enter_context(batching(lake, database.app_dsn, page_events=size))[0]
            for size in (5, 9)
        ]
        while sum(batches.step() for batches in both):
            pass
    check_against_read_models(lake, database)
    found = {table: len(rows) for table, rows in everything(lake).items()}
    assert found == expected_counts(log, len(log))


def test_a_lake_that_is_ahead_of_the_log_is_refused_and_rebuilt(
    database: Database, lake: Lake
) -> None:
    begin(database)
    catch_up_lake(lake, database.app_dsn)
    empty(database)  # As a backup from before all this would.
    log = write(database, [*opening(), *history(2, "new")])
    with (
        batching(lake, database.app_dsn) as (batches, _),
        pytest.raises(LakeAhead, match="aviary rebuild"),
    ):
        batches.step()
    for table in FOLDED:
        rebuild(lake.writing, database.app_dsn, table)
    assert catch_up_lake(lake, database.app_dsn) == len(log)
    check_against_read_models(lake, database)


def test_a_reader_reads_the_lake_and_nothing_else(database: Database, lake: Lake) -> None:
    begin(database, 1)
    catch_up_lake(lake, database.app_dsn)
    with attached(lake.reading) as reader:
        assert reader.execute("select count(*) from trades").fetchall() == [(2,)]
        with pytest.raises(Exception, match="read-only"):
            reader.execute("delete from trades")
    with psycopg.connect(lake.reader_dsn, autocommit=True) as catalogue:
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            catalogue.execute("delete from ducklake_snapshot")
        catalogue.execute("set default_transaction_read_only = off")
        for query in (
            "delete from ducklake_snapshot",
            "create table x (i int)",
            "create temporary table x (i int)",
            "set role aviary_lake",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                catalogue.execute(query)


@pytest.mark.parametrize("role", ["lake", "lake_reader"])
@pytest.mark.parametrize("name", ["aviary", "postgres", "template1"])
def test_the_logins_of_the_lake_may_connect_to_no_other_database(
    cluster: EmbeddedPostgres, role: Role, name: str
) -> None:
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        psycopg.connect(cluster.dsn(role, name))
