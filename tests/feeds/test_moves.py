"""Moves between the feeds: refused with a reason, or without a gap and nothing twice."""

import itertools
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

import psycopg
import pytest
from msgspec import structs

from adapters.postgres.connect import READER_OPTIONS, connect
from adapters.postgres.feeds import lock_alone
from tests.faults.processes import Process, until
from tests.feeds.world import KEYED, World, busy, history
from tests.folds import follow_log
from tests.stores import cancelling
from workers.feeding.checks import CannotFollow
from workers.feeding.moves import CannotMove, list_feeds, move_to_kafka, move_to_log
from workers.projecting.projector import Projector, catch_up
from workers.projecting.rebuild import rebuild

pytestmark = [pytest.mark.postgres, pytest.mark.kafka]


def to_kafka(world: World, name: str, wait_seconds: float = 90.0) -> int:
    return move_to_kafka(world.settings, world.database.app_dsn, name, wait_seconds)


def to_log(world: World, name: str) -> int:
    """Again where somebody held the read model for long: the refusal says so."""
    moved: list[int] = []

    def has_moved() -> bool:
        try:
            moved.append(move_to_log(world.database.app_dsn, name))
        except CannotMove as error:
            assert "Try again after that" in str(error)  # noqa: PT017 - another refusal is a fault
        return bool(moved)

    until(has_moved, f"{name} moves to the log")
    return moved[0]


def fold_log(world: World) -> None:
    with closing(Projector(world.database.app_dsn)) as folding:
        while folding.step().events:
            pass


def test_what_cannot_move_says_why(world: World) -> None:
    dsn = world.database.app_dsn
    with pytest.raises(CannotMove, match="'nothing' is no read model; there are: orders, trades"):
        to_kafka(world, "nothing")
    with pytest.raises(CannotMove, match="These can follow Kafka: orders, trades"):
        to_kafka(world, "open_effects")
    with pytest.raises(CannotMove, match="set KAFKA_BOOTSTRAP_SERVERS"):
        move_to_kafka(structs.replace(world.settings, kafka_bootstrap_servers=()), dsn, "orders")
    with pytest.raises(CannotMove, match="orders has never been folded"):
        to_kafka(world, "orders")
    catch_up(dsn)
    with pytest.raises(CannotMove, match="has never run: start `aviary worker relay`"):
        to_kafka(world, "orders")
    with pytest.raises(CannotMove, match="orders follows the log already"):
        move_to_log(dsn, "orders")
    head = world.await_published()
    world.stop_relay()
    world.write(history(busy(2)))
    with pytest.raises(CannotMove, match=f"has published {head} of {head + 7} events"):
        to_kafka(world, "orders", 0.2)
    world.await_published()
    with pytest.raises(CannotMove, match=f"did not reach position {head + 7}"):
        to_kafka(world, "orders", 0.2)
    fold_log(world)
    assert to_kafka(world, "orders") == head + 7
    with pytest.raises(CannotMove, match="orders follows Kafka already"):
        to_kafka(world, "orders")
    with connect(dsn, READER_OPTIONS) as reader:
        feeds = {found.projection: (found.feed, found.relay) for found in list_feeds(reader)}
    assert feeds["trades"] == ("log", None)
    assert feeds["orders"] == ("kafka", world.value("select name from relays"))


@pytest.mark.parametrize("page", [1, 3, 500])
def test_back_at_the_log_nothing_is_folded_twice_and_nothing_is_missing(
    world: World, page: int
) -> None:
    world.publish_and_follow()
    world.write(history(busy(9)))
    world.await_published()
    with world.member(4) as member:
        until(lambda: (member.step(), member.position)[1], "an assignment")
        uneven = 0
        while uneven < 2:
            member.step()
            uneven = len({at for _, at in world.standings().values()})
    position = move_to_log(world.database.app_dsn, "orders")
    assert position < max(at for _, at in world.standings().values())
    world.write([cancelling(name, f"{name} later") for name in busy(9)])
    with closing(Projector(world.database.app_dsn, page_events=page)) as folding:
        while folding.step().events:
            world.check_rows()
    assert world.positions()["orders"] == len(world.log())
    assert {name for name, _, _ in world.standings()} == {"trades"}


def test_another_relay_is_not_followed(world: World) -> None:
    world.publish_and_follow()
    world.change("insert into relays (name) select 'old/' || name from relays")
    world.change("update feed_partitions set relay = 'old/' || relay")
    with pytest.raises(CannotFollow, match="Run `aviary feed set NAME log`"), world.member():
        pass
    for projection in KEYED:
        move_to_log(world.database.app_dsn, projection.name)
    fold_log(world)
    assert to_kafka(world, "orders") == len(world.log())


def test_the_command_line_moves_and_shows(world: World) -> None:
    world.publish_and_follow(())
    moved = run_aviary(world, "feed", "set", "orders", "kafka")
    assert f"orders follows kafka from position {len(world.log())} on." in moved
    assert "orders follows Kafka already." in run_aviary(world, "feed", "set", "orders", "kafka")
    assert "follows the log already" in run_aviary(world, "feed", "set", "trades", "log")
    listed = run_aviary(world, "feed", "list")
    assert [line.split()[1::2] for line in listed.splitlines() if "trades" in line]
    assert "kafka" in next(line for line in listed.splitlines() if "orders" in line)


def test_the_worker_feeds_what_the_command_line_moved(world: World) -> None:
    world.publish_and_follow(())
    member = Process(
        "kafka-projector", ["aviary", "worker", "kafka-projector"], world.environment, world.folder
    )
    world.processes.append(member.start())
    for projection in KEYED:
        run_aviary(world, "feed", "set", projection.name, "kafka")
    world.write(history(busy(5)))
    world.await_folded()
    world.check_rows()
    assert member.stop() == 0


def test_what_is_being_rebuilt_is_not_moved(world: World) -> None:
    world.publish_and_follow()
    with psycopg.connect(world.database.owner_dsn) as rebuilding:
        lock_alone(rebuilding, "orders")
        with pytest.raises(CannotMove, match="orders is being rebuilt or moved"):
            move_to_log(world.database.app_dsn, "orders")
    assert move_to_log(world.database.app_dsn, "orders") == len(world.log())


def run_aviary(world: World, *arguments: str) -> str:
    process = Process("aviary", ["aviary", *arguments], world.environment, world.folder)
    before = len(process.log.read_text()) if process.log.exists() else 0
    process.start()
    until(lambda: process.poll() is not None, f"the end of aviary {arguments}")
    return process.log.read_text()[before:].replace("\n", " \n")


@contextmanager
def background(*works: threading.Thread) -> Iterator[None]:
    for work in works:
        work.start()
    try:
        yield
    finally:
        for work in works:
            work.join()


@pytest.mark.faults
def test_moved_back_and_forth_under_load_while_members_are_killed(world: World) -> None:
    world.publish_and_follow(())
    written, stopping = threading.Event(), threading.Event()

    def write() -> None:
        for batch in itertools.count():
            world.write(history(busy(8, f"b{batch}.")))
            if written.is_set():
                return

    following = threading.Thread(target=follow_log, args=(world.database, stopping))
    member, other = world.process(), world.process()
    member.start()
    other.start()
    with background(threading.Thread(target=write), following):
        try:
            for turn in range(4):
                for name in ("orders", "trades"):
                    start = to_kafka(world, name)
                    until(lambda: world.positions()[name] > start, f"{name} on Kafka")  # noqa: B023
                rebuild(world.database.owner_dsn, world.database.app_dsn, KEYED[turn % 2])
                (member, other)[turn % 2].kill()
                for name in ("orders", "trades"):
                    start = to_log(world, name)
                    until(lambda: world.positions()[name] > start, f"{name} on the log")  # noqa: B023
                (member, other)[turn % 2].start()
        finally:
            written.set()
            stopping.set()
    fold_log(world)
    world.check_rows()
    head = len(world.log())
    assert {world.positions()[projection.name] for projection in KEYED} == {head}
    assert world.value("select count(*) from parked") == 0
