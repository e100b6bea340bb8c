"""A cluster of two that has lost one: Kafka refuses what it could not keep twice.

The log takes events meanwhile, the relay's checkpoint stays, and with the node back all arrives.
"""

from collections.abc import Callable

import pytest
from kafka import KafkaProducer
from kafka.admin import NewTopic
from kafka.errors import (
    KafkaError,
    NotEnoughReplicasAfterAppendError,
    NotEnoughReplicasError,
)

from commands import catalogue
from tests.faults.processes import until
from tests.kafka_broker import Broker
from tests.relay.stage import Stage, check

pytestmark = [pytest.mark.kafka, pytest.mark.postgres, pytest.mark.faults]

SECONDS = 60.0


@pytest.fixture
def nodes(own_kafka: Callable[..., Broker]) -> tuple[Broker, Broker]:
    properties = {"min.insync.replicas": "2"}
    first = own_kafka(properties=properties)
    return first, own_kafka(properties=properties, first=first)


@pytest.fixture
def two(nodes: tuple[Broker, Broker], make_stage: Callable[..., Stage]) -> Stage:
    """Return a stage with 1000 events relayed; every partition of it is on both nodes."""
    stage = make_stage(nodes[0].bootstrap, AVIARY_KAFKA_REPLICATION="2")
    stage.relay(quick=True).start()
    stage.await_position(stage.filler.append(1000), SECONDS)
    until(lambda: in_sync(stage) == {(1, 2)}, "both nodes have all", SECONDS)
    return stage


def test_what_is_appended_after_a_node_was_lost(nodes: tuple[Broker, Broker], two: Stage) -> None:
    first, second = nodes
    probe = f"{two.prefix}.probe"
    with two.admin() as admin:
        admin.create_topics([NewTopic(probe, num_partitions=1, replication_factor=2)])
    second.kill()
    await_alone(two)
    until(lambda: is_refused(first.bootstrap, probe), "what could not be kept is refused", SECONDS)
    held = two.position()
    head = two.filler.append(1000)
    log = two.processes[0].log
    until(lambda: "NotEnoughReplicas" in log.read_text(), "the relay is refused", SECONDS)
    await_failures(two, 2)
    assert two.position() == held
    second.start()
    two.await_position(head, SECONDS)
    check(two)


def test_a_node_that_is_killed_under_load(nodes: tuple[Broker, Broker], two: Stage) -> None:
    """The survivor holds records that it may not acknowledge or show."""
    _, second = nodes
    two.filler.append(5000)
    second.kill()
    two.filler.append(1000)  # Of these none can be acknowledged, however fast the relay was.
    await_alone(two)
    await_failures(two, 1)
    held = two.position()
    head = two.filler.append(1000)
    await_failures(two, 2)
    assert two.position() == held
    second.start()
    two.await_position(head, SECONDS)
    check(two)


def await_alone(stage: Stage) -> None:
    until(lambda: in_sync(stage) == {(1,)}, "only the first node is in sync", SECONDS)


def await_failures(stage: Stage, more: int) -> None:
    wanted = stage.failures() + more
    until(lambda: stage.failures() >= wanted, f"the relay's failure {wanted}", SECONDS)


def in_sync(stage: Stage) -> set[tuple[int, ...]]:
    """The sets of nodes that hold a whole partition: one where all partitions agree, none yet."""
    try:
        with stage.admin() as admin:
            return {
                tuple(sorted(partition["isr_nodes"]))
                for topic in admin.describe_topics(catalogue.topics(stage.prefix))
                for partition in topic["partitions"]
            }
    except KafkaError:
        return set()  # A dead node is named to clients until its session is over.


def is_refused(bootstrap: str, topic: str) -> bool:
    """Whether the broker turns one attempt away; until it knows that it is alone it may wait."""
    producer = KafkaProducer(
        bootstrap_servers=bootstrap, acks="all", enable_idempotence=False, retries=0
    )
    try:
        producer.send(topic, b"x").get(timeout=SECONDS)
    except NotEnoughReplicasError:
        return True
    except NotEnoughReplicasAfterAppendError:
        return False
    finally:
        producer.close(timeout=SECONDS)
    raise AssertionError("A record was acknowledged that one node has.")
