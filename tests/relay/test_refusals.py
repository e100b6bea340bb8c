"""What the relay will not publish to, what it says then, and that it goes on once mended."""

from collections.abc import Callable

import psycopg
import pytest
from kafka import KafkaProducer
from kafka.admin import ConfigResource, ConfigResourceType, NewPartitions

from adapters.kafka.topics import Topics, partition_of
from commands import catalogue
from tests.faults.processes import until
from tests.kafka_broker import Kafka
from tests.relay.stage import PARTITIONS, Stage, check

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]


def publish_some(stage: Stage) -> int:
    """Publish 300 events and stop; answers the head."""
    head = stage.filler.append(300)
    process = stage.relay().start()
    stage.await_position(head)
    assert process.stop() == 0
    return head


def configure(stage: Stage, topic: str, **values: str) -> None:
    """Return once the broker goes by them: it learns of them after they are set."""
    named = {name.replace("_", "."): value for name, value in values.items()}
    wanted = [ConfigResource(ConfigResourceType.TOPIC, topic, list(named))]

    def is_known() -> bool:
        found = admin.describe_configs(wanted, config_filter="all")["topic"][topic]
        return {name: found.get(name, {}).get("value") for name in named} == named

    with stage.admin() as admin:
        admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, named)])
        until(is_known, f"the broker knows {named}")


def records(stage: Stage) -> int:
    return sum(map(len, stage.published().values()))


def make_topics(stage: Stage) -> None:
    """The topics as the relay would have made them."""
    with Topics(stage.settings) as topics:
        for name in catalogue.topics(stage.prefix):
            topics.create(name, PARTITIONS, 1)


def test_more_partitions_while_it_was_away(stage: Stage) -> None:
    publish_some(stage)
    with stage.admin() as admin:
        admin.create_partitions({stage.orders: NewPartitions(PARTITIONS + 1)})
    stage.filler.append(10)
    stage.relay().start()
    text = stage.await_state("refused")
    assert f"{stage.orders} has 4 partitions and had 3" in text
    assert "AVIARY_KAFKA_TOPIC_PREFIX" in text
    assert records(stage) == 300


def test_more_partitions_while_it_runs(stage: Stage) -> None:
    head = stage.filler.append(300)
    stage.relay().start()
    stage.await_position(head)
    with stage.admin() as admin:
        admin.create_partitions({stage.orders: NewPartitions(PARTITIONS + 1)})
    stage.await_state("refused")
    stage.filler.append(100)
    stage.await_state("refused")
    assert stage.position() == head
    assert records(stage) == head


def test_a_topic_that_is_gone(stage: Stage) -> None:
    publish_some(stage)
    with stage.admin() as admin:
        admin.delete_topics([stage.orders])
    stage.relay().start()
    assert f"{stage.orders} is gone; it held 300 records" in stage.await_state("refused")
    with Topics(stage.settings) as topics:
        assert stage.orders not in topics.partition_counts([stage.orders])


def test_a_topic_made_anew(stage: Stage) -> None:
    publish_some(stage)
    with stage.admin() as admin:
        admin.delete_topics([stage.orders])
    with Topics(stage.settings) as topics:
        until(lambda: not topics.partition_counts([stage.orders]), "the topic gone")
    make_topics(stage)
    stage.relay().start()
    assert "ends at offset 0, but records up to" in stage.await_state("refused")
    assert records(stage) == 0


def test_a_topic_made_anew_while_it_runs(stage: Stage) -> None:
    stage.relay().start()
    stage.await_position(stage.filler.append(300))
    with stage.admin() as admin:
        admin.delete_topics([stage.orders])
    with Topics(stage.settings) as topics:
        until(lambda: not topics.partition_counts([stage.orders]), "the topic gone")
    make_topics(stage)
    stage.filler.append(100)
    # One that looked while the topic was gone says that first, and looks again.
    stage.await_state("refused", "it was made anew or cut")
    assert stage.position() == 300


def test_a_topic_that_forgets(stage: Stage) -> None:
    make_topics(stage)
    configure(stage, stage.orders, retention_ms="3600000")
    head = stage.filler.append(30)
    stage.relay(patient=True).start()
    text = stage.await_state("refused")
    assert f"--entity-name {stage.orders} --add-config retention.ms=-1" in text
    assert records(stage) == 0
    configure(stage, stage.orders, retention_ms="-1")
    stage.await_position(head)
    assert check(stage) == 0


def test_a_record_of_somebody_else_behind_ours(stage: Stage) -> None:
    publish_some(stage)
    producer = KafkaProducer(bootstrap_servers=stage.bootstrap)
    producer.send(stage.orders, b"hello", b"order-x", partition=1).get(30)
    producer.close(5)
    stage.filler.append(10)
    stage.relay().start()
    text = stage.await_state("refused")
    assert f"partition 1 of topic {stage.orders}: A record that no relay wrote" in text
    assert stage.position() == 300


def test_a_record_of_somebody_else_while_it_runs(stage: Stage) -> None:
    stage.relay().start()
    stage.await_position(stage.filler.append(300))
    producer = KafkaProducer(bootstrap_servers=stage.bootstrap)
    for partition in range(PARTITIONS):
        producer.send(stage.orders, b"hello", b"order-x", partition=partition).get(30)
    producer.close(5)
    stage.filler.append(10)
    assert "A record that no relay wrote" in stage.await_state("refused")
    assert stage.position() == 300


def test_another_log_on_the_same_topics(
    kafka: Kafka, stage: Stage, make_stage: Callable[[str], Stage]
) -> None:
    publish_some(stage)
    other = make_stage(kafka.bootstrap)
    other.filler.append(500)
    other.prefix = other.environment["AVIARY_KAFKA_TOPIC_PREFIX"] = stage.prefix
    other.relay().start()
    assert "this log has another event there" in other.await_state("refused")
    assert records(stage) == 300


def test_a_log_restored_from_an_older_backup(stage: Stage) -> None:
    """The backup: everything before the last 100 events, and the relay's rows as they were."""
    publish_some(stage)
    before = stage.reached()
    process = stage.relay().start()
    stage.await_position(stage.filler.append(100))
    assert process.stop() == 0
    with psycopg.connect(stage.database.owner_dsn) as owner:
        owner.execute("delete from events where notification_id > 300")
        owner.execute(
            """update log_head set position = 300,
            seal = (select seal from events where notification_id = 300)"""
        )
        owner.execute("update relays set position = 300")
        for (topic, partition), at in before.items():
            owner.execute(
                """update relay_partitions set next_offset = %s, position = %s
                where topic = %s and partition = %s""",
                (at.next_offset, at.position, topic, partition),
            )
    stage.relay().start()
    assert "and this log does not have that position" in stage.await_state("refused")
    assert records(stage) == 400


def test_an_event_larger_than_the_broker_takes(stage: Stage) -> None:
    """Nothing behind it is sent, also not of the batch that it was in."""
    make_topics(stage)
    configure(stage, stage.orders, max_message_bytes="60000")
    stage.filler.append(20)
    large = stage.filler.append_one("order-large", b'"%s"' % (b"x" * 80_000))
    head = stage.filler.append(400)
    stage.relay(quick=True).start()
    text = stage.await_state("refused")
    assert f"event at position {large} (stream order-large, " in text
    assert f"--entity-name {stage.orders} --add-config max.message.bytes=" in text
    partition = partition_of(b"order-large", PARTITIONS)
    before = [
        int(dict(found.headers)["ce_position"])
        for found in stage.published()[stage.orders, partition]
    ]
    assert all(position < large for position in before)
    assert stage.position() < large
    configure(stage, stage.orders, max_message_bytes="1048588")
    stage.await_position(head)
    check(stage)


def test_a_limit_lowered_while_it_runs(stage: Stage) -> None:
    """Batches that have become too large are cut in two until each of them fits."""
    stage.relay(quick=True).start()
    stage.await_position(stage.filler.append(300))
    configure(stage, stage.orders, max_message_bytes="5000")
    stage.await_position(stage.filler.append(2000))
    check(stage)


def test_an_event_that_became_too_large_inside_a_batch(stage: Stage) -> None:
    """Its batch is cut in two again and again; what lies behind it must not slip through."""
    process = stage.relay(quick=True).start()
    stage.await_position(stage.filler.append(300))
    configure(stage, stage.orders, max_message_bytes="5000")
    process.freeze()
    stage.filler.append(50)
    large = stage.filler.append_one("order-large", b'"%s"' % (b"x" * 20_000))
    head = stage.filler.append(149)
    process.thaw()
    stage.await_state("refused")
    place = stage.orders, partition_of(b"order-large", PARTITIONS)
    positions = [int(dict(found.headers)["ce_position"]) for found in stage.published()[place]]
    assert max(positions) < large
    configure(stage, stage.orders, max_message_bytes="1048588")
    stage.await_position(head)
    check(stage)


def test_a_replication_that_the_cluster_cannot_give(stage: Stage) -> None:
    stage.environment["AVIARY_KAFKA_REPLICATION"] = "3"
    process = stage.relay().start()
    assert "InvalidReplicationFactor" in stage.await_state("failed")
    assert process.stop() == 0
