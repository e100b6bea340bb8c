"""What reaches Kafka when nothing breaks."""

import threading

import pytest

from adapters.kafka.records import to_recorded
from adapters.kafka.topics import partition_of
from adapters.postgres.relays import Reached
from commands.catalogue import AGGREGATES
from commands.codec import LogIsNewer
from tests.faults.processes import until
from tests.relay.quick import PATIENT
from tests.relay.stage import PARTITIONS, Stage, check
from workers.relaying.relay import relay
from workers.running.pulse import Pulse

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]


def test_every_event_is_published_once_and_in_order(stage: Stage) -> None:
    head = stage.filler.append(5000)
    process = stage.relay().start()
    stage.await_position(head)
    head = stage.filler.append(7)
    stage.await_position(head)
    assert check(stage) == 0
    assert process.stop() == 0


def test_a_record_turns_back_into_the_stored_event(stage: Stage) -> None:
    head = stage.filler.append(60)
    stage.relay().start()
    stage.await_position(head)
    found = [
        to_recorded(record.value, record.headers)
        for records in stage.published().values()
        for record in records
    ]
    assert sorted(found, key=lambda event: event.position) == stage.filler.log()


def test_a_stream_has_one_partition_and_kafkas_own_choice_of_it(stage: Stage) -> None:
    head = stage.filler.append(150)
    stage.relay().start()
    stage.await_position(head)
    published = stage.published()
    for (_, number), records in published.items():
        for record in records:
            key = dict(record.headers)["ce_subject"]
            assert partition_of(key, PARTITIONS) == number
    assert {number for _, number in published} == set(range(PARTITIONS))
    # From Kafka's own test of its Java client (UtilsTest.testMurmur2), without the sign.
    assert partition_of(b"21", 1 << 31) == -973932308 & 0x7FFFFFFF


def test_a_relay_that_was_stopped_goes_on_without_repeating(stage: Stage) -> None:
    process = stage.relay().start()
    stage.await_position(stage.filler.append(500))
    assert process.stop() == 0
    head = stage.filler.append(500)
    stage.relay().start()
    stage.await_position(head)
    assert check(stage) == 0


def test_the_offsets_recorded_are_where_the_partitions_end(stage: Stage) -> None:
    head = stage.filler.append(900)
    stage.relay().start()
    stage.await_position(head)
    ends = {
        place: Reached(len(records), int(dict(records[-1].headers)["ce_position"]))
        for place, records in stage.published().items()
    }
    recorded = stage.reached()
    assert {place: at for place, at in recorded.items() if at != Reached(0, 0)} == ends
    assert len(recorded) == PARTITIONS * len(AGGREGATES)


def test_a_new_prefix_is_published_from_the_beginning(stage: Stage) -> None:
    head = stage.filler.append(100)
    process = stage.relay().start()
    stage.await_position(head)
    process.stop()
    stage.prefix += "-anew"
    stage.environment["AVIARY_KAFKA_TOPIC_PREFIX"] = stage.prefix
    stage.relay().start()
    until(
        lambda: sum(at.next_offset for at in stage.reached().values()) == 2 * head,
        "everything a second time",
    )
    assert len(stage.published()) == PARTITIONS
    assert check(stage) == 0


def test_large_events_travel_in_small_pages(stage: Stage) -> None:
    for number in range(12):
        head = stage.filler.append_one(f"order-large{number}", b'"%s"' % (b"x" * 800_000))
    stage.relay().start()
    stage.await_position(head)
    assert check(stage) == 0


def test_events_before_one_of_an_unknown_kind_are_published(stage: Stage) -> None:
    stage.filler.append(10)
    stage.filler.append_one("future-1", b"{}")
    stage.filler.append(10)
    with pytest.raises(LogIsNewer, match="position 11"):
        relay(stage.settings, stage.database.app_dsn, Pulse("relay"), threading.Event(), PATIENT)
    assert stage.position() == 10
    assert sum(map(len, stage.published().values())) == 10


def test_what_is_published_can_be_seen(stage: Stage) -> None:
    head = stage.filler.append(300)
    stage.relay().start()
    stage.await_position(head)
    shown = {"events_relayed": head, "relay_position": head, "relay_lag_events": 0}

    def is_shown() -> bool:
        return any(
            row.state == "running" and shown.items() <= row.detail.items() for row in stage.rows()
        )

    until(is_shown, "the counts shown")


def test_a_stop_ends_it_while_it_stands_by(stage: Stage) -> None:
    stage.relay().start()
    stage.await_state("running")
    other = stage.relay().start()
    stage.await_state("standby")
    assert other.stop() == 0


def test_without_kafka_the_relay_says_so(stage: Stage) -> None:
    stage.environment["KAFKA_BOOTSTRAP_SERVERS"] = ""
    process = stage.relay().start()
    until(lambda: process.poll() is not None, "its end")
    assert process.poll() == 2
    assert "KAFKA_BOOTSTRAP_SERVERS" in process.log.read_text()
