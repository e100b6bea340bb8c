"""The broker that other tests trust: what it acknowledged stays, whatever befalls its process."""

import uuid
from collections.abc import Callable

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import NewTopic
from kafka.errors import KafkaError

from tests.kafka_broker import Broker, Kafka

pytestmark = pytest.mark.kafka

SECONDS = 60


def make_topic(bootstrap: str) -> str:
    topic = f"broker-{uuid.uuid4().hex[:8]}"
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        admin.create_topics([NewTopic(topic, num_partitions=1, replication_factor=1)])
    finally:
        admin.close()
    return topic


def send(bootstrap: str, topic: str, *values: bytes) -> None:
    """Return once every value is acknowledged."""
    producer = KafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True)
    try:
        for future in [producer.send(topic, key=b"k", value=value) for value in values]:
            future.get(timeout=SECONDS)
    finally:
        producer.close(timeout=SECONDS)


def read(bootstrap: str, topic: str) -> list[bytes]:
    """Everything in a topic of one partition, up to the end as it is now."""
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    partition = TopicPartition(topic, 0)
    try:
        consumer.assign([partition])
        end = consumer.end_offsets([partition])[partition]
        found: list[bytes] = []
        while consumer.position(partition) < end:
            for records in consumer.poll(timeout_ms=500).values():
                found += [record.value for record in records]
        return found
    finally:
        consumer.close()


def test_a_record_goes_in_and_comes_out(kafka: Kafka) -> None:
    topic = make_topic(kafka.bootstrap)
    send(kafka.bootstrap, topic, b"one", b"two")
    assert read(kafka.bootstrap, topic) == [b"one", b"two"]


def test_no_topic_appears_by_being_named(own_kafka: Callable[..., Broker]) -> None:
    broker = own_kafka()
    producer = KafkaProducer(bootstrap_servers=broker.bootstrap, max_block_ms=1000)
    try:
        with pytest.raises(KafkaError):
            producer.send("never-made", b"x").get(timeout=SECONDS)
    finally:
        producer.close(timeout=SECONDS)


@pytest.mark.faults
def test_what_was_acknowledged_outlives_a_kill_and_a_stop(
    own_kafka: Callable[..., Broker],
) -> None:
    broker = own_kafka()
    topic = make_topic(broker.bootstrap)
    send(broker.bootstrap, topic, b"one")
    broker.kill()
    broker.start()
    send(broker.bootstrap, topic, b"two")
    broker.stop()
    broker.start()
    assert read(broker.bootstrap, topic) == [b"one", b"two"]


@pytest.mark.faults
def test_a_record_sent_to_a_frozen_broker_arrives_once_when_it_thaws(
    own_kafka: Callable[..., Broker],
) -> None:
    broker = own_kafka()
    topic = make_topic(broker.bootstrap)
    producer = KafkaProducer(bootstrap_servers=broker.bootstrap, request_timeout_ms=2000)
    try:
        producer.send(topic, b"before").get(timeout=SECONDS)
        broker.freeze()
        sent = producer.send(topic, b"during")
        with pytest.raises(KafkaError):
            sent.get(timeout=3)
        broker.thaw()
        sent.get(timeout=SECONDS)
    finally:
        producer.close(timeout=SECONDS)
    assert read(broker.bootstrap, topic) == [b"before", b"during"]
