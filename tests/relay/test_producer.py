"""The producer alone: behind a record that failed, nothing else is ever sent."""

import time
from collections.abc import Callable

import pytest

from adapters.kafka.producer import DeliveryFailed, Producer, ProducerLimits
from adapters.kafka.records import Record
from adapters.kafka.topics import Topics
from tests.kafka_broker import Broker
from tests.relay.stage import Stage

pytestmark = [pytest.mark.kafka, pytest.mark.postgres, pytest.mark.faults]

# The record's time is over before its request's is, so that it is not tried again.
LIMITS = ProducerLimits(delivery_seconds=8.0, request_seconds=8.0, linger_seconds=0)
HALF_SECONDS = LIMITS.delivery_seconds / 2


def test_a_later_batch_is_not_sent_when_an_earlier_one_has_expired(
    own_kafka: Callable[..., Broker], make_stage: Callable[[str], Stage]
) -> None:
    """kafka-python alone would send the second, and its stream would have a hole."""
    broker = own_kafka()
    stage = make_stage(broker.bootstrap)
    topic = stage.orders
    with Topics(stage.settings) as topics:
        topics.create(topic, 1, 1)
    producer = Producer(stage.settings, LIMITS)
    try:
        assert producer.partitions(topic) == 1
        producer.send(Record(topic, b"k", b"zero", [], 0, 1), 0)
        while not producer.is_settled(1.0):
            pass
        producer.take_round()
        broker.freeze()
        producer.send(Record(topic, b"k", b"first", [], 0, 2), 0)
        assert not producer.is_settled(HALF_SECONDS)  # On its way, with time left to arrive.
        producer.send(Record(topic, b"k", b"second", [], 0, 3), 0)
        with pytest.raises(DeliveryFailed, match="position 2"):  # noqa: PT012 - asked till it says
            while not producer.is_settled(0.1):
                pass
        broker.thaw()
        _await_end(producer)
    finally:
        producer.close()
    with Topics(stage.settings) as topics:
        end = topics.ends([(topic, 0)])[topic, 0]
        values = [r.value for page in topics.read({(topic, 0): (0, end)}) for r in page]
    assert values in ([b"zero"], [b"zero", b"first"])


def _await_end(producer: Producer) -> None:
    """Until the second record was either sent or given up."""
    deadline = time.monotonic() + 60
    while not all(future.is_done for _, future in producer._round):  # noqa: SLF001 - no other way to see it
        with pytest.raises(DeliveryFailed):
            producer.is_settled(0.1)
        assert time.monotonic() < deadline, "The second record was neither sent nor given up."
