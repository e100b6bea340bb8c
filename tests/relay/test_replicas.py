"""How many replicas must have a record before Kafka acknowledges it."""

from collections.abc import Callable
from pathlib import Path

import pytest
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType

from adapters.kafka.topics import Topics
from adapters.settings import load
from tests.kafka_broker import Broker

pytestmark = [pytest.mark.kafka, pytest.mark.faults]

NAME = "min.insync.replicas"


def test_two_of_three_but_one_of_two(own_kafka: Callable[..., Broker], tmp_path: Path) -> None:
    first = own_kafka()
    own_kafka(first=first)
    own_kafka(first=first, properties={"node.id": "3"})
    settings = load(
        {"KAFKA_BOOTSTRAP_SERVERS": first.bootstrap, "AVIARY_DATA_DIR": str(tmp_path)}, None
    )
    with Topics(settings) as topics:
        topics.create("three", 1, 3)
        topics.create("two", 1, 2)
    admin = KafkaAdminClient(bootstrap_servers=first.bootstrap)
    try:
        wanted = [ConfigResource(ConfigResourceType.TOPIC, t, [NAME]) for t in ("three", "two")]
        found = admin.describe_configs(wanted, config_filter="all")["topic"]
    finally:
        admin.close()
    assert {topic: values[NAME]["value"] for topic, values in found.items()} == {
        "three": "2",
        "two": "1",
    }
