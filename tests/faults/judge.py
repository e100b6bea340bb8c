"""Compares what clients were told, what the log says, what the venue did and what readers see."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from contextlib import closing
from decimal import Decimal
from typing import Any

from adapters.postgres.connect import READER_OPTIONS, connect
from adapters.postgres.log import PostgresLog
from adapters.settings import load
from commands import codec
from commands.catalogue import aggregate_of
from commands.recounting import recount
from domain.log import Recorded
from domain.order import TERMINAL, Order
from domain.order_messages import OrderFilled, OrderPlaced
from domain.reconciliation import Reconciled
from projections import PROJECTIONS
from tests.faults.clients import Insistent
from tests.faults.ledgers import Ledger
from tests.faults.processes import until
from tests.faults.world import World
from workers.projecting.projector import catch_up
from workers.projecting.rebuild import rebuild
from workers.tools import history
from workers.tools.checking import verify_database

SETTLE_SECONDS = 60.0


def read_log(dsn: str) -> list[Recorded]:
    with connect(dsn, READER_OPTIONS, autocommit=True) as reader:
        return [event for page in history.pages(reader) for event in page]


def fold_orders(log: Iterable[Recorded]) -> dict[str, Order]:
    """Every order by its client order id, as the log knows it."""
    states: dict[str, Order] = {}
    for recorded in log:
        kind, _, name = recorded.stream.partition("-")
        if kind == "order":
            aggregate = aggregate_of(recorded.stream)
            event = codec.decode_recorded(recorded)
            states[name] = aggregate.evolve(states.get(name, aggregate.initial), event)
    return states


def differences(states: Mapping[str, Order], ledger: Ledger) -> list[str]:
    """What is not settled yet, or settled wrongly: the log's orders against the venue's."""
    found = []
    for name, state in states.items():
        there = ledger.of(name)
        if state.status not in (*TERMINAL, "open"):
            found.append(f"{name} is {state.status}")
        elif state.status == "open" and state.is_cancel_requested:
            found.append(f"{name} is open though its cancellation was asked for")
        elif len(there) > 1:
            found.append(f"{name} is {len(there)} times at the venue")
        elif there and there[0]["status"] != state.status:
            found.append(f"{name} is {state.status}, at the venue {there[0]['status']}")
        elif not there and state.status not in ("cancelled", "rejected"):
            found.append(f"{name} is {state.status}, but not at the venue")
        elif state.filled != ledger.filled(name):
            found.append(f"{name} filled {state.filled}, at the venue {ledger.filled(name)}")
    return found


def settle(world: World) -> None:
    """Wait until log and venue agree, one more reconciliation has passed and readers have it."""
    said: list[str] = []

    def agree() -> bool:
        log = read_log(world.database.app_dsn)
        said[:] = differences(fold_orders(log), world.ledger())
        return not said

    try:
        until(agree, "log and venue agree", SETTLE_SECONDS)
    except AssertionError as error:
        raise AssertionError(f"{error}: {said[:5]}") from None
    log = read_log(world.database.app_dsn)
    head = log[-1].position
    if any(state.status == "open" for state in fold_orders(log).values()):
        until(lambda: _reconciled_after(world, head), "a reconciliation", SETTLE_SECONDS)


def _reconciled_after(world: World, position: int) -> bool:
    """Whether a reconciliation that was asked for after this position is done."""
    tag = codec.tag_of(Reconciled("", "", 0, 0))
    done = [event for event in read_log(world.database.app_dsn) if event.tag == tag]
    # The last one may have been asked for before; of two, the second was not.
    return len([event for event in done if event.position > position]) > 1


def judge(world: World, sender: Insistent | None = None) -> None:
    """Settle, stop the workers, and check every promise."""
    settle(world)
    world.stop_workers()
    catch_up(world.database.app_dsn)
    log = read_log(world.database.app_dsn)
    states, ledger = fold_orders(log), world.ledger()
    assert differences(states, ledger) == []
    if sender is not None:
        check_acknowledged(sender, states)
        check_real_time_order(sender, log)
    check_log(world, log)
    check_tallies(world)
    check_once_at_the_venue(states, ledger)
    check_fills(log, ledger)
    check_read_models(world)
    code, text = verify_database(load(world.environment, env_file=None), lambda *_: None)
    assert code == 0, text


def check_acknowledged(sender: Insistent, states: Mapping[str, Order]) -> None:
    assert all(answer.is_accepted for answer in sender.placed.values())
    assert set(sender.placed) == set(states)
    for name, answer in sender.cancelled.items():
        if answer.is_accepted:
            assert states[name].status in TERMINAL, f"{name}, cancelled, is {states[name]}"
        else:
            assert answer.code == "order_closed", answer


def check_real_time_order(sender: Insistent, log: Iterable[Recorded]) -> None:
    """An order answered before another one was sent stands before it in the log."""
    latest_start = 0.0
    for recorded in log:
        name = recorded.stream.removeprefix("order-")
        if recorded.version == 1 and name in sender.times:
            started, answered = sender.times[name]
            assert answered > latest_start, f"{name} was answered before an earlier one was sent"
            latest_start = max(latest_start, started)


def check_log(world: World, log: list[Recorded]) -> None:
    """Positions and versions are dense, orders placed once, every event has its receipt."""
    assert [event.position for event in log] == list(range(1, len(log) + 1))
    versions: defaultdict[str, list[int]] = defaultdict(list)
    for event in log:
        versions[event.stream].append(event.version)
    for stream, seen in versions.items():
        assert seen == list(range(1, len(seen) + 1)), stream
    placed = Counter(
        event.stream for event in log if isinstance(codec.decode_recorded(event), OrderPlaced)
    )
    assert set(placed.values()) <= {1}
    events = Counter(codec.decode_metadata(event.metadata).command_id for event in log)
    with connect(world.database.app_dsn, READER_OPTIONS, autocommit=True) as reader:
        receipts = dict(reader.execute("select command_id, events from receipts"))
    assert events == Counter({name: count for name, count in receipts.items() if count})


def check_once_at_the_venue(states: Mapping[str, Order], ledger: Ledger) -> None:
    """One accepted request an order: none for those that never left or were turned down."""
    there = Counter(row["client_order_id"] for row in ledger.orders)
    expected = Counter(
        name for name, state in states.items() if state.exchange_order_id or state.trades
    )
    assert there == expected
    assert ledger.accepted() == expected


def check_fills(log: Iterable[Recorded], ledger: Ledger) -> None:
    ours = []
    for recorded in log:
        event = codec.decode_recorded(recorded)
        if isinstance(event, OrderFilled):
            name = recorded.stream.partition("-")[2]
            ours.append((name, event.trade_id, event.side, event.quantity, event.price, event.fee))
    theirs = [
        (
            row["client_order_id"],
            row["trade_id"],
            row["side"],
            Decimal(row["quantity"]),
            Decimal(row["price"]),
            Decimal(row["fee"]),
        )
        for row in ledger.trades
    ]
    assert sorted(ours) == sorted(theirs)


def check_tallies(world: World) -> None:
    """What was counted while writing is what counting the log again gives."""
    store = PostgresLog(world.database.app_dsn)
    with closing(store):
        kept = store.read_tallies()
        recount(store)
        assert store.read_tallies() == kept


def check_read_models(world: World) -> None:
    """Rows equal a rebuild, byte for byte, and nothing is parked."""
    dsn = world.database.app_dsn
    with connect(dsn, READER_OPTIONS, autocommit=True) as reader:
        assert reader.execute("select * from parked").fetchall() == []
        live = {projection.name: rows(reader, projection.name) for projection in PROJECTIONS}
    for projection in PROJECTIONS:
        rebuild(world.database.owner_dsn, dsn, projection)
    with connect(dsn, READER_OPTIONS, autocommit=True) as reader:
        for name, expected in live.items():
            assert rows(reader, name) == expected, name


def rows(reader: Any, table: str) -> list[str]:
    found = reader.execute(f"select row_to_json(t)::text from {table} t order by key")
    return [text for (text,) in found]
