"""What a read model may be relied on for, whichever feed it follows."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from typing import Any

import psycopg
import pytest
from msgspec import structs

from adapters.postgres.connect import READER_OPTIONS, connect
from commands import codec
from commands.seal import seal
from domain.log import Recorded
from domain.order_messages import OrderDispatched, OrderRejectedByVenue
from projections import PROJECTIONS, orders
from projections.projection import Fact, Projection
from tests.faults.processes import until
from tests.feeds.world import KEYED, World, busy, history
from tests.folds import copy_log
from tests.stores import cancelling, placing
from workers.feeding.member import Member
from workers.projecting import parked
from workers.projecting.parked import Retried, list_parked, retry_parked
from workers.projecting.projector import CHANNEL, Projector
from workers.projecting.rebuild import rebuild

pytestmark = [pytest.mark.postgres, pytest.mark.kafka]

Start = Callable[..., Projector | Member]


class Followed:
    """Read models that follow the one feed or the other; `start` begins where they stand."""

    def __init__(self, world: World, feed: str, stack: ExitStack) -> None:
        self.world = world
        self.feed = feed
        self._stack = stack
        if feed == "kafka":
            world.publish_and_follow()

    def start(
        self, page: int = 1000, projections: Sequence[Projection] = PROJECTIONS
    ) -> Projector | Member:
        if self.feed == "kafka":
            self.world.await_published()
            return self._stack.enter_context(self.world.member(page, projections))
        following = Projector(self.world.database.app_dsn, projections, page_events=page)
        return self._stack.enter_context(closing(following))

    def to_the_end(self, following: Projector | Member) -> None:
        if isinstance(following, Member):
            self.world.await_published()
        head = len(self.world.log())
        until(lambda: (following.step(), self.is_at(head))[1], f"{self.feed} at {head}", 120)

    def is_at(self, head: int) -> bool:
        positions = self.world.positions()
        return all(positions.get(projection.name) == head for projection in KEYED)


@pytest.fixture(params=["log", "kafka"])
def followed(request: pytest.FixtureRequest, world: World) -> Iterator[Followed]:
    with ExitStack() as stack:
        yield Followed(world, request.param, stack)


@pytest.mark.parametrize("page", [1, 7, 1000])
def test_at_every_stop_rows_are_the_fold_of_what_was_passed(followed: Followed, page: int) -> None:
    world = followed.world
    world.write(history(busy(6)))
    head = len(world.log())
    while not followed.is_at(head):
        following = followed.start(page)
        before = world.positions()
        until(lambda: (following.step(), world.positions() != before)[1], "a step")  # noqa: B023
        following.step()
        following.close()
        world.check_rows()
    folded = world.texts()
    for projection in KEYED:
        rebuild(world.database.owner_dsn, world.database.app_dsn, projection)
    assert world.texts() == folded


class Poison:
    """A fold that fails for one order until it is cured."""

    def __init__(self, order: str) -> None:
        self.order = order

    def __call__(self, row: Any, fact: Fact, key: str) -> Any:
        if key == self.order:
            raise ZeroDivisionError(f"poison in {key}")
        return orders.evolve(row, fact, key)


@pytest.mark.parametrize("page", [1, 1000])
def test_poison_parks_its_key_and_a_retry_folds_what_queued(
    followed: Followed, page: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = followed.world
    poison = Poison("av1")
    projections = (structs.replace(orders.PROJECTION, evolve=poison), *PROJECTIONS[1:])
    monkeypatch.setattr(parked, "PROJECTIONS", projections)
    world.write(history(busy(3)))
    following = followed.start(page, projections)
    followed.to_the_end(following)
    with connect(world.database.app_dsn, READER_OPTIONS, autocommit=True) as reader:
        (entry,) = list_parked(reader)
    assert (entry.projection, entry.key, entry.events) == ("orders", "av1", 3)
    assert world.value("select count(*) from orders") == 2
    assert world.value("select count(*) from trades") == 6

    (refused,) = retry_parked(world.database.app_dsn)
    assert not refused.is_cured
    world.write([cancelling("av1", "cancelled while parked")])
    followed.to_the_end(following)
    assert world.value("select count(*) from parked") == 4
    poison.order = ""
    assert retry_parked(world.database.app_dsn) == [Retried("orders", "av1", is_cured=True)]
    world.write([placing("av9")])
    followed.to_the_end(following)
    assert world.value("select count(*) from parked") == 0
    world.check_rows()


def extended(log: Sequence[Recorded], stream: str, tag: str, payload: bytes) -> Recorded:
    """Return the log's next event, sealed as it should be."""
    last, version = log[-1], sum(event.stream == stream for event in log) + 1
    fields = (stream, version, tag, payload, last.metadata)
    return Recorded(last.position + 1, *fields, seal(last.seal, last.position + 1, *fields))


@pytest.mark.parametrize("page", [1, 1000])
def test_what_postgres_cannot_hold_parks_its_key_and_others_flow(
    followed: Followed, page: int
) -> None:
    world = followed.world
    world.write(history(busy(4)))
    zero = OrderRejectedByVenue("-1", "a zero byte: \x00", 1)
    for event in (OrderDispatched(1, 7, 1), zero):
        tag, payload = codec.tag_of(event), codec.encode(event)
        copy_log(world.database, [extended(world.log(), "order-av2", tag, payload)])
    world.write([cancelling("av1", "after it")])
    followed.to_the_end(followed.start(page))
    parked_keys = (
        "select array_agg(projection || ' ' || key) from parked where projection = any(%s)"
    )
    with psycopg.connect(world.database.owner_dsn) as owner:
        names = [projection.name for projection in KEYED]
        assert owner.execute(parked_keys, (names,)).fetchone() == (["orders av2"],)
    assert world.value("select is_cancel_requested from orders where key = 'av1'") is True
    (retried,) = [r for r in retry_parked(world.database.app_dsn) if r.projection == "orders"]
    assert not retried.is_cured


@pytest.mark.parametrize("page", [1, 1000])
def test_a_row_in_the_way_parks_the_key_until_a_rebuild(followed: Followed, page: int) -> None:
    """Left by a log that was cut: the next order has the position of an order that is no more."""
    world = followed.world
    world.write(history(busy(2)))
    following = followed.start(page)
    followed.to_the_end(following)
    phantom = f"""'{{"key": "phantom", "created_position": {len(world.log()) + 1}}}'"""
    world.change(
        f"""insert into orders select (jsonb_populate_record(o, {phantom})).*
        from orders o where key = 'av0'"""
    )
    world.write([placing("av8"), placing("av9"), cancelling("av8", "queued")])
    followed.to_the_end(following)
    with connect(world.database.app_dsn, READER_OPTIONS, autocommit=True) as reader:
        (entry,) = list_parked(reader)
    assert (entry.projection, entry.key, entry.events) == ("orders", "av8", 3)
    assert "UniqueViolation" in entry.error
    assert world.value("select count(*) from orders where key = 'av9'") == 1
    (refused,) = retry_parked(world.database.app_dsn)
    assert not refused.is_cured
    rebuild(world.database.owner_dsn, world.database.app_dsn, orders.PROJECTION)
    assert world.value("select count(*) from parked") == 0
    world.check_rows()


def test_an_unknown_tag_stops_before_it(followed: Followed) -> None:
    world = followed.world
    world.write(history(busy(2)))
    following = followed.start(1)
    followed.to_the_end(following)
    newer = extended(world.log(), "order-av1", "order.teleported.v9", b"{}")
    copy_log(world.database, [newer])
    before = world.texts()
    if followed.feed == "kafka":
        world.await_published()
    with pytest.raises(codec.LogIsNewer) as caught:
        until(lambda: following.step() and False, "an unknown tag")
    assert caught.value.position == newer.position
    assert world.texts() == before
    assert world.positions()["orders"] < newer.position
    assert world.value("select count(*) from parked") == 0


def test_a_rebuild_in_the_middle_leaves_no_gap_and_nothing_twice(followed: Followed) -> None:
    world = followed.world
    world.write(history(busy(5)))
    following = followed.start(10)
    while world.value("select count(*) from orders") == 0:
        following.step()
    world.write(history(busy(5, "bx")))
    for projection in KEYED:
        rebuild(world.database.owner_dsn, world.database.app_dsn, projection)
    world.check_rows()
    assert followed.is_at(len(world.log()))
    world.write([*history(busy(5, "cx")), cancelling("bx1", "after the rebuild")])
    following.close()
    followed.to_the_end(followed.start(10))
    world.check_rows()
    assert world.value("select feed from checkpoints where projection = 'orders'") == followed.feed


def test_waiters_are_told_what_all_read_models_have_reached(followed: Followed) -> None:
    world = followed.world
    with psycopg.connect(world.database.app_dsn, autocommit=True) as listening:
        listening.execute(f"listen {CHANNEL}")
        world.write(history(busy(2)))
        following = followed.start()
        followed.to_the_end(following)
        if followed.feed == "kafka":
            with closing(Projector(world.database.app_dsn)) as others:
                while others.step().events:
                    pass
        head = len(world.log())
        until(
            lambda: (
                following.step(),
                any(n.payload == str(head) for n in listening.notifies(timeout=0, stop_after=50)),
            )[1],
            f"told of {head}",
        )
