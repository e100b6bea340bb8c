"""A log that is not the one that was published: restored from a backup, or empty to begin with."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from adapters.postgres.embedded import EmbeddedPostgres
from tests.faults.processes import until
from tests.feeds.world import KEYED, World, busy, history
from tests.kafka_broker import Kafka
from tests.postgres_fixture import Database, fresh_database
from tests.stores import opening
from workers.feeding.checks import CannotFollow
from workers.feeding.moves import move_to_kafka, move_to_log
from workers.projecting.projector import Projector

pytestmark = [pytest.mark.postgres, pytest.mark.kafka]


def fold_log(world: World) -> None:
    with closing(Projector(world.database.app_dsn)) as folding:
        while folding.step().events:
            pass


@pytest.fixture
def restored(world: World, cluster: EmbeddedPostgres, tmp_path: Path) -> Iterator[World]:
    """Return a world whose topics hold six orders that its log does not have."""
    world.write(history(busy(3)))
    world.publish_and_follow()
    world.stop_relay()
    backup = fresh_database(cluster, world.database)
    world.write(history(busy(6, "lost")))
    world.await_published()
    world.stop_relay()
    found = World(tmp_path, backup, world.environment["KAFKA_BOOTSTRAP_SERVERS"])
    found.environment["AVIARY_KAFKA_TOPIC_PREFIX"] = world.settings.kafka_topic_prefix
    try:
        yield found
    finally:
        found.close()


@pytest.mark.parametrize(
    ("written_since", "said"), [(0, "our log ends before it"), (9, "has another event there")]
)
def test_what_a_restored_log_does_not_have_is_not_folded(
    restored: World, written_since: int, said: str
) -> None:
    if written_since:
        restored.write(history(busy(written_since, "new")))
    before = restored.texts()
    with restored.member() as member:
        until(lambda: (member.step(), member.stopped)[1], "a partition stopped")
        for text in member.stopped.values():
            assert said in text
            assert "aviary rebuild NAME" in text
        for _ in range(5):
            member.step()
    assert restored.texts() == before
    restored.check_rows()


def test_a_restored_log_is_published_anew_and_followed_from_there(restored: World) -> None:
    restored.write(history(busy(4, "new")))
    restored.environment["AVIARY_KAFKA_TOPIC_PREFIX"] += "-again"
    restored.await_published()
    with pytest.raises(CannotFollow, match="Run `aviary feed set NAME log`"), restored.member():
        pass
    for projection in KEYED:
        move_to_log(restored.database.app_dsn, projection.name)
    fold_log(restored)
    restored.check_rows()
    for projection in KEYED:
        move_to_kafka(restored.settings, restored.database.app_dsn, projection.name)
    restored.write(history(busy(4, "newer")))
    head = restored.await_published()
    with restored.member() as member:
        until(lambda: (member.step(), member.position)[1] == head, f"all up to {head}")
        assert member.stopped == {}
    restored.check_rows()


@pytest.fixture
def empty_world(kafka: Kafka, migrated: Callable[[], Database], tmp_path: Path) -> Iterator[World]:
    with closing(World(tmp_path, migrated(), kafka.bootstrap)) as world:
        yield world


def test_a_member_that_began_before_the_first_event_reads_it(empty_world: World) -> None:
    world = empty_world
    fold_log(world)
    world.start_relay()
    known = "select count(*) from relay_partitions where topic like '%.orders'"
    until(lambda: world.count(known), "the topic")
    world.stop_relay()
    assert move_to_kafka(world.settings, world.database.app_dsn, "orders") == 0
    with world.member() as member:
        until(lambda: (member.step(), member.partitions)[1], "an assignment")
        world.write([*opening(), *history(busy(3))])
        head = world.await_published()
        until(lambda: (member.step(), member.stopped or member.position == head)[1], "all of it")
        assert member.stopped == {}
    assert world.value("select count(*) from orders") == 3
