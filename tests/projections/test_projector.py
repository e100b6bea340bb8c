"""The projector on a real log: pages, checkpoints, zombies, poison."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from typing import Any

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from adapters.postgres.connect import READER_OPTIONS, connect
from adapters.postgres.log import PostgresLog
from adapters.postgres.rows import CheckpointMoved
from commands import codec
from commands.request import Request
from commands.seal import seal
from domain.log import Recorded
from domain.order_messages import Command, OrderDispatched, OrderRejectedByVenue
from projections import PROJECTIONS, orders
from projections.projection import Fact, Projection
from tests.folds import copy_log, fold_in_memory, run, texts, texts_of_pure_fold, written
from tests.messages import fill_of, order_commands
from tests.postgres_fixture import Database
from tests.stores import cancelling, empty, opening, placing, request_for
from workers.projecting import parked, projector
from workers.projecting.parked import ParkedKey, Retried, list_parked, retry_parked
from workers.projecting.projector import Projector, catch_up
from workers.projecting.rebuild import rebuild

pytestmark = pytest.mark.postgres

ORDERS = ("av1", "av2", "av3")


def requests_of(commands: Sequence[tuple[str, Command]]) -> list[Request]:
    return [
        *opening(),
        *(placing(order) for order in ORDERS),
        *(
            request_for(f"order-{order}", command, f"command {number}")
            for number, (order, command) in enumerate(commands)
        ),
    ]


random_commands = st.lists(st.tuples(st.sampled_from(ORDERS), order_commands), max_size=40)


@pytest.fixture
def database(shared: Database) -> Database:
    empty(shared)
    return shared


@settings(max_examples=12)
@given(random_commands, st.lists(st.integers(1, 9), min_size=1, max_size=6))
def test_replay_equals_live_whatever_the_pages(
    shared: Database, commands: list[tuple[str, Command]], sizes: list[int]
) -> None:
    empty(shared)
    log = written(requests_of(commands))
    copy_log(shared, log)
    turn = 0
    while True:
        size = sizes[turn % len(sizes)]
        with closing(Projector(shared.app_dsn, page_events=size)) as folding:
            progress = folding.step()
        turn += 1
        if not progress.events:
            break
    live = texts(shared)
    assert live == texts_of_pure_fold(shared, log)
    for projection in PROJECTIONS:
        assert rebuild(shared.owner_dsn, shared.app_dsn, projection) == len(log)
    assert texts(shared) == live


@pytest.fixture
def follow(database: Database) -> Iterator[Callable[..., Projector]]:
    """Return the factory of projectors, which are closed in the end."""
    with ExitStack() as stack:

        def make(projections: Sequence[Projection] = PROJECTIONS, page: int = 500) -> Projector:
            folding = Projector(database.app_dsn, projections, page_events=page)
            stack.callback(folding.close)
            return folding

        yield make


def to_the_end(folding: Projector) -> None:
    while folding.step().events:
        pass


def positions(database: Database) -> dict[str, int]:
    with connect(database.app_dsn, READER_OPTIONS, autocommit=True) as reader:
        return dict(reader.execute("select projection, position from checkpoints").fetchall())


def test_a_second_projector_saves_nothing(
    database: Database, follow: Callable[..., Projector]
) -> None:
    copy_log(database, written(requests_of([])))
    zombie = follow(page=2)
    ahead = follow(page=3)
    ahead.step()
    before = texts(database), positions(database)
    with pytest.raises(CheckpointMoved):
        zombie.step()
    assert (texts(database), positions(database)) == before
    ahead.step()
    with pytest.raises(CheckpointMoved):
        zombie.step()
    assert catch_up(database.app_dsn) == 5


def test_a_read_model_that_is_new_is_caught_up_without_touching_the_others(
    database: Database,
    follow: Callable[..., Projector],
) -> None:
    log = written(requests_of([("av1", command) for command in FILLS]))
    copy_log(database, log)
    catch_up(database.app_dsn)
    before = texts(database)
    with psycopg.connect(database.owner_dsn) as owner:
        owner.execute("delete from checkpoints where projection = 'api_keys'")
    folding = follow(page=2)
    folding.step()
    assert positions(database) == {
        **{projection.name: len(log) for projection in PROJECTIONS},
        "api_keys": 2,
    }
    to_the_end(folding)
    assert texts(database) == before
    assert set(positions(database).values()) == {len(log)}


FILLS: list[Command] = [fill_of("t1", "0.1"), fill_of("t2", "0.2")]


class Poison:
    """A fold that fails on the named positions until it is cured."""

    def __init__(self, positions: set[int]) -> None:
        self.positions = positions

    def __call__(self, row: Any, fact: Fact, key: str) -> Any:
        if fact.position in self.positions:
            raise ZeroDivisionError(f"poison at {fact.position}")
        return orders.evolve(row, fact, key)


@pytest.fixture
def poison(monkeypatch: pytest.MonkeyPatch) -> tuple[Poison, tuple[Projection, ...]]:
    """Order av2's placing (position 4) cannot be folded by `orders`."""
    fold = Poison({4})
    poisoned = structs.replace(orders.PROJECTION, evolve=fold)
    projections = (poisoned, *PROJECTIONS[1:])
    monkeypatch.setattr(parked, "PROJECTIONS", projections)
    monkeypatch.setattr(projector, "PROJECTIONS", projections)
    return fold, projections


COMMANDS = [("av1", FILLS[0]), ("av2", FILLS[0]), ("av2", FILLS[1]), ("av3", FILLS[0])]


def parked_of(database: Database) -> list[tuple[str, str, int]]:
    with connect(database.app_dsn, READER_OPTIONS, autocommit=True) as reader:
        found = reader.execute("select projection, key, position from parked order by 1, 2, 3")
        return found.fetchall()


@pytest.mark.parametrize("page", [1, 3, 500])
def test_poison_parks_its_key_and_others_flow(
    database: Database,
    follow: Callable[..., Projector],
    poison: tuple[Poison, tuple[Projection, ...]],
    page: int,
) -> None:
    fold, projections = poison
    log = written(requests_of(COMMANDS))
    copy_log(database, log)
    folding = follow(projections, page)
    to_the_end(folding)
    assert set(positions(database).values()) == {len(log)}
    assert parked_of(database) == [("orders", "av2", position) for position in (4, 7, 8)]
    with connect(database.app_dsn, READER_OPTIONS, autocommit=True) as reader:
        assert list_parked(reader) == [
            ParkedKey("orders", "av2", 4, 3, "ZeroDivisionError: poison at 4")
        ]
    healthy = fold_in_memory(log, orders.PROJECTION)
    del healthy["av2"]
    assert texts(database)["orders"].count('"key"') == len(healthy) == 2
    assert texts(database)["trades"].count('"key"') == 4

    first = [Retried("orders", "av2", is_cured=False, error="poison at 4")]
    assert retry_parked(database.app_dsn) == first
    assert len(parked_of(database)) == 3
    fold.positions.clear()
    assert retry_parked(database.app_dsn, "trades") == []
    assert retry_parked(database.app_dsn, "orders", "av1") == []
    assert retry_parked(database.app_dsn) == [Retried("orders", "av2", is_cured=True)]
    assert parked_of(database) == []
    assert texts(database) == texts_of_pure_fold(database, log)

    store = PostgresLog(database.app_dsn)
    run(store, [cancelling("av2")])
    store.close()
    to_the_end(folding)  # The running projector notices that the key was cured.
    assert parked_of(database) == []
    assert '"key":"av2"' in texts(database)["orders"].replace(" ", "")


def test_a_rebuild_parks_what_the_live_fold_parks(
    database: Database, poison: tuple[Poison, tuple[Projection, ...]]
) -> None:
    fold, projections = poison
    copy_log(database, written(requests_of(COMMANDS)))
    catch_up(database.app_dsn, projections)
    live = texts(database), parked_of(database)
    rebuild(database.owner_dsn, database.app_dsn, projections[0])
    assert (texts(database), parked_of(database)) == live
    fold.positions.clear()
    rebuild(database.owner_dsn, database.app_dsn, projections[0])
    assert parked_of(database) == []
    assert '"av2"' in texts(database)["orders"]


def extended(log: list[Recorded], stream: str, tag: str, payload: bytes) -> list[Recorded]:
    """Return the log with one more event, sealed as it should be."""
    last, version = log[-1], sum(event.stream == stream for event in log) + 1
    fields = (stream, version, tag, payload, last.metadata)
    sealed = seal(last.seal, last.position + 1, *fields)
    return [*log, Recorded(last.position + 1, *fields, sealed)]


def test_an_unknown_tag_stops_the_projector_before_it(
    database: Database, follow: Callable[..., Projector]
) -> None:
    log = extended(written(requests_of([])), "order-av1", "order.teleported.v9", b"{}")
    copy_log(database, log)
    folding = follow(page=5)
    assert folding.step().position == 5
    before = texts(database), positions(database)
    for _ in range(2):
        with pytest.raises(codec.LogIsNewer) as caught:
            folding.step()
        assert caught.value.position == 6
    assert (texts(database), positions(database)) == before
    assert parked_of(database) == []


@pytest.mark.parametrize("page", [1, 2, 500])
def test_what_postgres_cannot_hold_parks_its_key_and_others_flow(
    database: Database, follow: Callable[..., Projector], page: int
) -> None:
    zero = OrderRejectedByVenue("-1", "a zero byte: \x00", 1)
    log = written(requests_of([]))
    for event in (OrderDispatched(1, 7, 1), zero):
        log = extended(log, "order-av2", codec.tag_of(event), codec.encode(event))
    tail = written([*requests_of([]), *requests_of([("av1", FILLS[0])])[-1:]])[-1]
    log = extended(log, "order-av1", tail.tag, tail.payload)
    copy_log(database, log)
    folding = follow(page=page)
    to_the_end(folding)
    assert set(positions(database).values()) == {len(log)}
    assert parked_of(database) == [("orders", "av2", 7)]
    before = texts(database)
    assert '"outcome":"dispatched"' in before["orders"].replace(" ", "")
    rebuild(database.owner_dsn, database.app_dsn, orders.PROJECTION)
    assert texts(database) == before
    assert parked_of(database) == [("orders", "av2", 7)]
    (retried,) = retry_parked(database.app_dsn)
    assert not retried.is_cured
