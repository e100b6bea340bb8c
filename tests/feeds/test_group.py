"""What a member of the group leaves behind where it cannot be made, or Kafka went away."""

import threading
from collections.abc import Callable
from contextlib import closing

import pytest
from kafka.errors import KafkaError

from adapters.kafka.consumer import Group, GroupLimits
from adapters.settings import Settings
from tests.faults.processes import until
from tests.kafka_broker import Broker, Kafka

pytestmark = pytest.mark.kafka


class SetRightAfterALook(threading.Event):
    """An assignment that comes between looking for one and forgetting it."""

    def is_set(self) -> bool:
        was_set = super().is_set()
        self.set()
        return was_set


def threads() -> set[threading.Thread]:
    return set(threading.enumerate())


def settings_for(bootstrap: str) -> Settings:
    return Settings(kafka_bootstrap_servers=(bootstrap,), kafka_topic_prefix="groups")


def test_one_that_cannot_be_made_leaves_no_thread_behind(kafka: Kafka) -> None:
    before = threads()
    with pytest.raises(ValueError, match="not a topic"):
        Group(settings_for(kafka.bootstrap), {"not a topic"}, GroupLimits())
    until(lambda: threads() <= before, "the end of its thread")


def test_no_change_is_forgotten_that_was_not_seen(
    kafka: Kafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(Group(settings_for(kafka.bootstrap), {"groups.orders"}, GroupLimits())) as group:
        monkeypatch.setattr(group, "_changed", SetRightAfterALook())
        assert not group.has_changed()
        assert group.has_changed()


@pytest.mark.faults
def test_without_kafka_none_leaves_a_thread_behind(own_kafka: Callable[..., Broker]) -> None:
    broker = own_kafka()
    before = threads()
    group = Group(settings_for(broker.bootstrap), {"groups.orders"}, GroupLimits())
    broker.kill()
    group.close()
    until(lambda: threads() <= before, "the end of its thread")
    for _ in range(2):
        with pytest.raises(KafkaError):
            Group(settings_for(broker.bootstrap), {"groups.orders"}, GroupLimits())
    until(lambda: threads() <= before, "the end of its thread")
