"""The consumer of docs/ as a stranger would run it, on a real broker and records of a real log."""

import json
import subprocess
import sys
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import NewTopic

from adapters.kafka.records import source_of, to_record
from adapters.memory import MemoryStore
from commands.committer import Committer
from commands.request import Request
from domain.log import Recorded
from domain.order_messages import DispatchOrder, RecordAccepted
from tests.kafka_broker import Kafka
from tests.messages import SEND_BY
from tests.stores import cancelling, check_log, opening, placing, request_for

pytestmark = pytest.mark.kafka

SECONDS = 60
CONSUMER = Path(__file__).parents[2] / "docs" / "consumer.py"


def log_of(*requests: Request) -> list[Recorded]:
    """The events of the orders among these commands."""
    store = MemoryStore()
    committer = Committer(store)
    try:
        for request in (*opening(), *requests):
            committer.execute(request)
    finally:
        committer.close()
    return [event for event in check_log(store) if event.stream.startswith("order-")]


@pytest.fixture
def topic(kafka: Kafka) -> str:
    name = f"consumer-{uuid.uuid4().hex[:8]}.orders"
    admin = KafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    try:
        forever = {"retention.ms": "-1"}
        admin.create_topics([NewTopic(name, 3, 1, topic_configs=forever)])
    finally:
        admin.close()
    return name


def publish(kafka: Kafka, topic: str, events: Sequence[Recorded], source: str) -> None:
    producer = KafkaProducer(bootstrap_servers=kafka.bootstrap)
    try:
        for record in [to_record(event, topic, source) for event in events]:
            producer.send(
                topic,
                key=record.key,
                value=record.value,
                headers=record.headers,
                timestamp_ms=record.timestamp_ms,
            ).get(timeout=SECONDS)
    finally:
        producer.close(timeout=SECONDS)


def consume(kafka: Kafka, topic: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, str(CONSUMER), kafka.bootstrap, topic],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def printed(done: "subprocess.CompletedProcess[str]") -> list[tuple[str, int, Any]]:
    """Stream, version and payload of each line."""
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return [(line["ce_subject"], int(line["ce_sequence"]), line["data"]) for line in lines]


def expected(events: Sequence[Recorded]) -> list[tuple[str, int, Any]]:
    return [(event.stream, event.version, json.loads(event.payload)) for event in events]


def by_stream(lines: list[tuple[str, int, Any]]) -> list[tuple[str, int, Any]]:
    """Partitions come in any order, the lines of one stream do not: sorting keeps theirs."""
    return sorted(lines, key=lambda line: line[0])


def test_every_event_is_printed_once_though_the_relay_went_back(kafka: Kafka, topic: str) -> None:
    log = log_of(*[placing(f"o{n}") for n in range(6)], *[cancelling(f"o{n}") for n in range(6)])
    source = source_of(log[0].seal)
    publish(kafka, topic, [*log[:9], *log[3:], *log[-2:]], source)
    done = consume(kafka, topic)
    assert done.returncode == 0, done.stderr
    assert by_stream(printed(done)) == by_stream(expected(log))


@pytest.mark.parametrize(
    ("lost", "printed_before", "message"),
    [
        (0, 0, "order-o1 goes on with 2 where 1 was expected"),
        (1, 1, "order-o1 goes on with 3 where 2 was expected"),
    ],
)
def test_a_hole_stops_it_and_is_named(
    kafka: Kafka, topic: str, lost: int, printed_before: int, message: str
) -> None:
    log = log_of(
        placing("o1"),
        request_for("order-o1", DispatchOrder(1, 7, SEND_BY), "dispatch"),
        request_for("order-o1", RecordAccepted("x1"), "accept"),
    )
    publish(kafka, topic, [*log[:lost], *log[lost + 1 :]], source_of(log[0].seal))
    done = consume(kafka, topic)
    assert done.returncode == 1
    assert message in done.stderr
    assert printed(done) == expected(log[:printed_before])


def test_logs_that_share_a_topic_are_not_taken_for_one_another(kafka: Kafka, topic: str) -> None:
    first, second = (log_of(placing("o1", quantity=quantity)) for quantity in ("1", "2"))
    for log in (first, second):
        publish(kafka, topic, log, source_of(log[0].seal))
    done = consume(kafka, topic)
    assert done.returncode == 0, done.stderr
    assert printed(done) == expected([*first, *second])


def test_a_topic_that_is_not_there_is_named(kafka: Kafka) -> None:
    done = consume(kafka, "nowhere.orders")
    assert done.returncode == 1
    assert "There is no topic nowhere.orders" in done.stderr
