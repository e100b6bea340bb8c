"""Real members of the group: killed, joined, frozen, told everything twice, without Kafka."""

import functools
import os
import signal
from collections.abc import Callable, Mapping

import psycopg
import pytest
from kafka import KafkaAdminClient, KafkaProducer, TopicPartition

from adapters.kafka.topics import Topics, partition_of
from tests.faults.processes import Process, until
from tests.feeds.world import KEYED, PARTITIONS, World, busy, history
from tests.kafka_broker import Broker
from tests.stores import cancelling
from workers.feeding.checks import CannotFollow
from workers.feeding.feed import catch_up
from workers.feeding.moves import move_to_log
from workers.projecting.projector import Projector
from workers.projecting.rebuild import rebuild

pytestmark = [pytest.mark.postgres, pytest.mark.kafka, pytest.mark.faults]


def check_all(world: World) -> None:
    world.await_published()
    world.await_folded()
    world.check_rows()
    assert world.value("select count(*) from parked") == 0


def await_death(process: Process) -> None:
    until(lambda: process.poll() is not None, f"the end of {process.name}")
    assert process.poll() == -signal.SIGKILL, process.log.read_text()[-2000:]


def pulses(world: World) -> dict[int, tuple[str, Mapping[str, int]]]:
    """State and detail of every member's process, by process id."""
    with psycopg.connect(world.database.owner_dsn) as owner:
        found = owner.execute(
            "select process, state, detail from workers where name = 'kafka-projector'"
        )
        return {int(name.rpartition(":")[2]): (state, detail) for name, state, detail in found}


def await_share(world: World, process: Process, shares: set[int]) -> None:
    def has_share() -> bool:
        _, detail = pulses(world).get(process.pid, ("", {}))
        return detail.get("partitions", -1) in shares

    until(has_share, f"{process.name} with {shares} partitions")


@pytest.mark.parametrize(
    "crash", ["feed-after-rows:3", "feed-after-offsets:2", "feed-after-commit:2"]
)
def test_a_member_killed_anywhere_in_a_page_leaves_nothing_out_and_nothing_twice(
    world: World, crash: str
) -> None:
    world.publish_and_follow()
    member = world.process().start(AVIARY_CRASH=crash)
    world.write(history(busy(20)))
    world.await_published()
    await_death(member)
    world.check_rows()
    member.start()
    check_all(world)


def test_members_that_join_leave_and_die_share_the_partitions(world: World) -> None:
    world.publish_and_follow()
    first, second, third = (world.process() for _ in range(3))
    first.start()
    for number, (join, shares) in enumerate([(second, {1, 2}), (third, {1})]):
        world.write(history(busy(30, f"c{number}.")))
        join.start()
        await_share(world, join, shares)
        world.write(history(busy(10, f"d{number}.")))
        check_all(world)
    assert second.stop() == 0
    third.kill()
    world.write(history(busy(20, "e")))
    check_all(world)
    await_share(world, first, {PARTITIONS})


@pytest.mark.parametrize("freeze", ["feed-after-rows:4", "feed-after-commit:2", ""])
def test_a_frozen_member_that_wakes_up_saves_nothing_that_others_saved(
    world: World, freeze: str
) -> None:
    world.publish_and_follow()
    zombie, other = world.process(), world.process()
    zombie.start(**({"AVIARY_FREEZE": freeze} if freeze else {}))
    await_share(world, zombie, {PARTITIONS})
    world.write(history(busy(20)))
    if not freeze:
        os.kill(zombie.pid, signal.SIGSTOP)
    until(lambda: zombie.is_frozen, "the freeze")
    other.start()
    world.write(history(busy(20, "bx")))
    check_all(world)
    zombie.thaw()
    world.write([cancelling(name, f"{name} later") for name in busy(20)])
    check_all(world)
    assert other.stop() == 0
    world.write(history(busy(5, "cx")))
    check_all(world)
    assert zombie.poll() is None


def test_what_the_relay_sends_again_is_folded_once(world: World) -> None:
    world.publish_and_follow()
    world.process().start()
    world.write(history(busy(20)))
    check_all(world)
    world.stop_relay()
    world.change("update relays set position = 5")
    records = world.count("select sum(next_offset) from relay_partitions")
    world.write(history(busy(5, "bx")))
    check_all(world)
    sent = world.count("select sum(next_offset) from relay_partitions")
    assert sent == records + len(world.log()) - 5
    until(lambda: behind(world) == 0, "every record read")
    world.check_rows()


def behind(world: World) -> int:
    return world.count(
        """select count(*) from feed_partitions f
        join relay_partitions p using (relay, topic, partition)
        where f.next_offset <> p.next_offset"""
    )


def send(world: World, key: bytes, value: bytes) -> int:
    """Write a record as a stranger would; answers its partition."""
    producer = KafkaProducer(bootstrap_servers=world.environment["KAFKA_BOOTSTRAP_SERVERS"])
    try:
        sent = producer.send(world.topic, key=key, value=value).get(timeout=30)
        return int(sent.partition)
    finally:
        producer.close()


def test_a_strangers_record_stops_its_partition_in_sight_and_others_flow(world: World) -> None:
    world.publish_and_follow()
    world.stop_relay()
    bad = send(world, b"order-stranger", b"{}")
    with world.member() as member:
        until(lambda: (member.step(), member.stopped)[1], "the partition stopped")
        ((place, said),) = member.stopped.items()
        assert place == (world.topic, bad)
        assert "it is of another log" in said
        before = world.standings()
        member.step()
        assert world.standings() == before
    process = world.process().start()
    until(
        lambda: pulses(world).get(process.pid, ("", {}))[0].startswith("stopped: "),
        "a member that says why it stopped",
    )
    for projection in KEYED:
        move_to_log(world.database.app_dsn, projection.name)
    until(lambda: pulses(world)[process.pid][0] == "running", "a member without a fault")


def test_more_partitions_than_before_are_refused(world: World) -> None:
    world.publish_and_follow()
    admin = KafkaAdminClient(bootstrap_servers=world.environment["KAFKA_BOOTSTRAP_SERVERS"])
    try:
        admin.create_partitions({world.topic: PARTITIONS + 1})
    finally:
        admin.close()
    with Topics(world.settings) as topics:
        more = {world.topic: PARTITIONS + 1}
        until(lambda: topics.partition_counts([world.topic]) == more, "the broker knows them")
    said = f"has {PARTITIONS + 1} partitions in Kafka and had {PARTITIONS}"
    with pytest.raises(CannotFollow, match=said), world.member():
        pass


def test_a_partition_that_was_cut_stops_alone(world: World) -> None:
    world.publish_and_follow()
    world.write(history(busy(9)))
    world.await_published()
    admin = KafkaAdminClient(bootstrap_servers=world.environment["KAFKA_BOOTSTRAP_SERVERS"])
    try:
        admin.delete_records({TopicPartition(world.topic, 0): 1})
    finally:
        admin.close()
    with world.member() as member:
        until(lambda: (member.step(), behind(world))[1] == len(KEYED), "the others read")
        until(lambda: (member.step(), member.stopped)[1], "the partition stopped")
        assert list(member.stopped) == [(world.topic, 0)]
        assert "aviary feed set NAME log" in member.stopped[world.topic, 0]
        world.write(history(busy(9, "bx")))
        head = world.await_published()
        until(lambda: (member.step(), behind(world))[1] == len(KEYED), "the others read on")
        assert head in {at for _, at in world.standings().values()}
    world.check_rows()
    with pytest.raises(CannotFollow, match="the topic was cut"):
        catch_up(world.settings, world.database.app_dsn)


def test_a_hole_stops_its_partition(world: World) -> None:
    """The relay's promise broken on purpose: its checkpoint is set past what it has sent."""
    world.publish_and_follow()
    world.write(history(busy(6))[:6])
    head = world.await_published()
    world.stop_relay()
    with world.member() as member:
        until(lambda: (member.step(), world.positions()["orders"])[1] == head, "all of it")
    world.write(history(busy(6))[6:12])  # The first fills, of which `av0`'s gets lost.
    world.change(f"update relays set position = {head + 1}")
    world.write([cancelling("av0", "after the hole")])
    world.await_published()
    with world.member() as member:
        until(lambda: (member.step(), member.stopped)[1], "the partition stopped")
        ((place, said),) = member.stopped.items()
        assert place == (world.topic, partition_of(b"order-av0", PARTITIONS))
        assert "Version 3 of order-av0" in said
        assert "records are missing" in said
        assert world.positions()["orders"] < len(world.log())
        for projection in KEYED:
            rebuild(world.database.owner_dsn, world.database.app_dsn, projection)
        until(lambda: (member.step(), behind(world))[1] == 0, "the partition read again")
        assert member.stopped == {}
    world.check_rows()


@pytest.mark.parametrize("end", ["stop", "kill", "freeze"])
def test_without_kafka_it_says_so_and_goes_on_when_kafka_is_back(
    own_kafka: Callable[..., Broker], make_world: Callable[[str], World], end: str
) -> None:
    broker = own_kafka()
    world = make_world(broker.bootstrap)
    world.publish_and_follow()
    member = world.process().start()
    await_share(world, member, {PARTITIONS})
    world.write(history(busy(10)))
    check_all(world)
    {"stop": broker.stop, "kill": broker.kill, "freeze": broker.freeze}[end]()
    cpu = functools.partial(cpu_seconds, member.pid)
    before = cpu()
    states: list[str] = []

    def has_failed() -> bool:
        states.append(pulses(world)[member.pid][0])
        return states[-1].startswith("failed: ")

    until(has_failed, "a failure in sight")
    assert "Kafka" in states[-1] or "Broker" in states[-1]
    assert cpu() - before < 10
    world.write(history(busy(10, "bx")))
    if end == "freeze":
        broker.thaw()
    else:
        broker.start()
    check_all(world)
    until(lambda: pulses(world)[member.pid][0] == "running", "a running member")


def cpu_seconds(pid: int) -> float:
    import psutil

    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def test_the_log_projector_leaves_what_follows_kafka_alone(world: World) -> None:
    projector = Projector(world.database.app_dsn)
    while projector.step().events:
        pass
    world.publish_and_follow()
    before = world.texts()
    with pytest.raises(Exception, match="The log feeds"):
        projector.step()
    projector.close()
    world.write(history(busy(3)))
    projector = Projector(world.database.app_dsn)
    while projector.step().events:
        pass
    projector.close()
    assert world.texts() == before
    assert world.positions()["open_effects"] == len(world.log())
    assert world.positions()["orders"] < len(world.log())
