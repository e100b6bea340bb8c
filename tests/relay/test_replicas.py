"""How many replicas must have a record before Kafka acknowledges it."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType

from adapters.kafka.topics import KEPT, CannotPublish, Topics
from adapters.settings import load
from tests.faults.processes import until
from tests.kafka_broker import Broker, Kafka

pytestmark = [pytest.mark.kafka, pytest.mark.faults]

NAME = "min.insync.replicas"
NOTHING: Mapping[str, object] = {"topic": {"slowly-known": {}}}
"""What a node says of a topic that it does not know."""


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
        until(lambda: needed(admin) == {"three": "2", "two": "1"}, "every node knows both topics")
    finally:
        admin.close()


def test_a_node_that_does_not_know_a_new_topic_yet_is_asked_again(
    kafka: Kafka, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = load(
        {"KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap, "AVIARY_DATA_DIR": str(tmp_path)}, None
    )
    with Topics(settings) as topics:
        assert topics.create("slowly-known", 1, 1).config == KEPT
        asked = KafkaAdminClient.describe_configs
        late = iter([True, True])

        def as_a_late_node(*args: object, **options: object) -> object:
            return NOTHING if next(late, False) else asked(*args, **options)

        monkeypatch.setattr(KafkaAdminClient, "describe_configs", as_a_late_node)
        assert topics.describe(["slowly-known"])["slowly-known"].config == KEPT
        monkeypatch.setattr(KafkaAdminClient, "describe_configs", lambda *_, **__: NOTHING)
        monkeypatch.setattr("adapters.kafka.topics.CALL_SECONDS", 1.0)
        with pytest.raises(CannotPublish, match="topic slowly-known cannot be read"):
            topics.describe(["slowly-known"])


def needed(admin: KafkaAdminClient) -> dict[str, str | None]:
    """What each topic needs, as far as the node that happens to be asked knows it."""
    wanted = [ConfigResource(ConfigResourceType.TOPIC, t, [NAME]) for t in ("three", "two")]
    found = admin.describe_configs(wanted, config_filter="all")["topic"]
    return {topic: values.get(NAME, {}).get("value") for topic, values in found.items()}
