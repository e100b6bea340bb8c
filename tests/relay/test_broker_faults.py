"""A broker that is away, frozen, full or forbids: nothing is lost or passed.

Meanwhile the log takes events and the relay's process stays small; it goes on by itself.
"""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from kafka import KafkaAdminClient
from kafka.admin import (
    ACL,
    ACLFilter,
    ACLOperation,
    ACLPermissionType,
    ResourcePattern,
    ResourceType,
)

from tests.faults.processes import Process, until
from tests.kafka_broker import Broker
from tests.relay.stage import Stage, check

pytestmark = [pytest.mark.kafka, pytest.mark.postgres, pytest.mark.faults]

MakeBroker = Callable[..., Broker]
MakeStage = Callable[[str], Stage]
RSS_BYTES_MAX = 250 << 20
FILES_MAX = 100


def watch(process: Process) -> None:
    """Insist that it holds no more than a page or two, and no sockets of failed attempts."""
    usage = psutil.Process(process.pid)
    assert usage.memory_info().rss < RSS_BYTES_MAX
    assert usage.num_fds() < FILES_MAX


def test_a_broker_that_is_away_while_a_hundred_thousand_events_are_appended(
    own_kafka: MakeBroker, make_stage: MakeStage
) -> None:
    broker = own_kafka()
    stage = make_stage(broker.bootstrap)
    process = stage.relay(quick=True).start()
    stage.await_position(stage.filler.append(1000))
    broker.stop()
    head = stage.filler.append(100_000)
    stage.await_state("failed")
    assert stage.position() < head
    watch(process)
    broker.start()
    stage.await_position(head, seconds=240)
    watch(process)
    check(stage)


def test_a_relay_that_starts_before_its_broker(
    own_kafka: MakeBroker, make_stage: MakeStage
) -> None:
    broker = own_kafka()
    broker.stop()
    stage = make_stage(broker.bootstrap)
    process = stage.relay(patient=True).start()
    head = stage.filler.append(100)
    usage = psutil.Process(process.pid)
    until(lambda: stage.failures() >= 1, "the first attempt fails")
    threads = usage.num_threads()
    until(lambda: stage.failures() >= 3, "the third attempt fails", 90)
    # Of the next attempt one is, perhaps, under way.
    until(lambda: usage.num_threads() <= threads + 1, "the end of those attempts' threads")
    broker.start()
    stage.await_position(head)
    assert check(stage) == 0
    broker.kill()
    stage.filler.append(100)
    assert process.stop() == 0


def test_a_broker_that_is_killed_under_load(own_kafka: MakeBroker, make_stage: MakeStage) -> None:
    broker = own_kafka()
    stage = make_stage(broker.bootstrap)
    stage.relay(quick=True).start()
    for _ in range(3):
        stage.await_position(stage.filler.append(1000))
        head = stage.filler.append(3000)
        broker.kill()
        broker.start()
    stage.await_position(head)
    check(stage)


def test_a_broker_frozen_for_longer_than_a_record_may_take(
    own_kafka: MakeBroker, make_stage: MakeStage
) -> None:
    broker = own_kafka()
    stage = make_stage(broker.bootstrap)
    process = stage.relay(quick=True).start()
    stage.await_position(stage.filler.append(1000))
    broker.freeze()
    head = stage.filler.append(1000)
    text = stage.await_state("failed")
    assert "Kafka did not take the event at position" in text
    assert stage.position() < head
    watch(process)
    broker.thaw()
    stage.await_position(head)
    check(stage)


def test_a_relay_with_nothing_to_send_says_that_kafka_is_away(
    own_kafka: MakeBroker, make_stage: MakeStage
) -> None:
    broker = own_kafka()
    stage = make_stage(broker.bootstrap)
    stage.relay(patient=True).start()
    stage.await_position(stage.filler.append(10))
    for leave, come_back in ((broker.freeze, broker.thaw), (broker.kill, broker.start)):
        stage.await_state("running")
        leave()
        stage.await_state("waiting: Kafka does not answer")
        come_back()
        stage.await_state("running")
    stage.await_position(stage.filler.append(10))
    assert stage.failures() == 0
    assert check(stage) == 0


def test_a_broker_that_stutters(own_kafka: MakeBroker, make_stage: MakeStage) -> None:
    broker = own_kafka()
    stage = make_stage(broker.bootstrap)
    stage.relay(quick=True).start()
    stage.await_position(stage.filler.append(100))
    for _ in range(10):
        broker.freeze()
        stage.filler.append(300)
        broker.thaw()
        head = stage.filler.append(300)
    stage.await_position(head)
    check(stage)


def test_a_stop_ends_the_relay_while_the_broker_is_frozen(
    own_kafka: MakeBroker, make_stage: MakeStage
) -> None:
    broker = own_kafka()
    stage = make_stage(broker.bootstrap)
    process = stage.relay().start()
    stage.await_position(stage.filler.append(100))
    broker.freeze()
    stage.filler.append(100)
    assert process.stop() == 0


def test_a_topic_that_may_not_be_written(own_kafka: MakeBroker, make_stage: MakeStage) -> None:
    authorizer = "org.apache.kafka.metadata.authorizer.StandardAuthorizer"
    broker = own_kafka(
        properties={
            "authorizer.class.name": authorizer,
            "allow.everyone.if.no.acl.found": "true",
        }
    )
    stage = make_stage(broker.bootstrap)
    stage.relay(quick=True).start()
    stage.await_position(stage.filler.append(300))
    rules = [
        _rule(stage.orders, ACLOperation.ALL, ACLPermissionType.ALLOW),
        _rule(stage.orders, ACLOperation.WRITE, ACLPermissionType.DENY),
    ]
    with stage.admin() as admin:
        admin.create_acls(rules)
        for rule in rules:  # What has made them is not yet what decides by them.
            until(lambda r=rule: is_in_force(admin, r), "the rule is in force")  # type: ignore[misc]
    head = stage.filler.append(300)
    assert "TopicAuthorizationFailed" in stage.await_state("failed")
    assert stage.position() < head
    with stage.admin() as admin:
        admin.delete_acls([_filter(rule) for rule in rules])
    stage.await_position(head)
    check(stage)


def _rule(topic: str, operation: ACLOperation, permission: ACLPermissionType) -> ACL:
    return ACL(
        "User:ANONYMOUS", "*", operation, permission, ResourcePattern(ResourceType.TOPIC, topic)
    )


def is_in_force(admin: KafkaAdminClient, rule: ACL) -> bool:
    found, _ = admin.describe_acls(_filter(rule))
    return bool(found)


def _filter(rule: ACL) -> ACLFilter:
    return ACLFilter(
        rule.principal, rule.host, rule.operation, rule.permission_type, rule.resource_pattern
    )


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.skip("only root can mount")
    folder = tmp_path / "small-disk"
    folder.mkdir()
    _mount(folder, "size=24m")
    try:
        yield folder
    finally:
        subprocess.run(["/bin/umount", "--lazy", folder], check=True)


def _mount(folder: Path, options: str) -> None:
    subprocess.run(["/bin/mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=True)


def test_a_broker_whose_disk_is_full(
    small_disk: Path, own_kafka: MakeBroker, make_stage: MakeStage
) -> None:
    """Kafka ends itself then; with more room it starts again, and the relay with it."""
    broker = own_kafka(data=small_disk / "data")
    stage = make_stage(broker.bootstrap)
    process = stage.relay(quick=True).start()
    stage.await_position(stage.filler.append(1000))
    head = stage.filler.append(50_000)
    kafka = psutil.Process(broker.pid)
    until(lambda: kafka.status() == psutil.STATUS_ZOMBIE, "Kafka gives up", 60)
    stage.await_state("failed")
    assert stage.position() < head
    watch(process)
    broker.kill()
    _mount(small_disk, "remount,size=512m")
    broker.start()
    stage.await_position(head)
    check(stage)
