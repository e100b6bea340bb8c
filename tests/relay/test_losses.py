"""Kafka loses what it had acknowledged: the relay sends nothing more and says so, also later.

A broker that lost its disk, or one that led without the newest records, takes the next ones from
the very producer that wrote the lost ones, at the offsets of those.
"""

from collections.abc import Callable, Sequence

import pytest
from kafka import TopicPartition

from adapters.kafka.producer import Placed, Producer, ProducerLimits
from adapters.kafka.records import Record
from adapters.kafka.topics import CannotPublish, partition_of
from adapters.postgres.relays import Reached
from tests.kafka_broker import Broker
from tests.relay.stage import PARTITIONS, Stage, check
from workers.relaying.offsets import Interleaved, settle

pytestmark = [pytest.mark.kafka, pytest.mark.postgres, pytest.mark.faults]

LOST = "Kafka has lost records that it had acknowledged"


def lose(broker: Broker, topic: str) -> None:
    """Of a broker that does not run: all records of a topic, and what it knew of their senders."""
    folders = list(broker.data.glob(f"{topic}-*"))
    assert len(folders) == PARTITIONS
    for folder in folders:
        for file in folder.iterdir():
            if file.name != "partition.metadata":
                file.unlink()


def publish_anew(stage: Stage, head: int) -> None:
    """The way out that the refusal names."""
    for process in stage.processes:
        process.kill()
    stage.prefix += "-anew"
    stage.environment["AVIARY_KAFKA_TOPIC_PREFIX"] = stage.prefix
    stage.relay(quick=True).start()
    stage.await_position(head)
    assert sum(map(len, stage.published().values())) >= head
    check(stage)


@pytest.fixture
def broken(own_kafka: Callable[..., Broker], make_stage: Callable[..., Stage]) -> Stage:
    """Return a broker that was killed, lost its records and runs, and a stage with 30 relayed.

    The relay has not noticed: it had nothing to send.
    """
    broker = own_kafka()
    stage = make_stage(broker.bootstrap)
    stage.relay(patient=True).start()
    stage.await_position(stage.filler.append(30))
    broker.kill()
    lose(broker, stage.orders)
    broker.start()
    return stage


def test_more_is_sent_than_was_lost(broken: Stage) -> None:
    """The partitions then end behind where they ended, and all that stands in them is ours."""
    broken.filler.append(150)
    assert LOST in broken.await_state("refused")
    broken.processes[0].kill()
    ends = {place: len(records) for place, records in broken.published().items()}
    assert all(ends[place] > at.next_offset for place, at in in_use(broken).items())
    broken.relay(patient=True).start()
    head = broken.filler.append(150)
    text = broken.await_state("refused: Offset")
    assert f"was acknowledged there: {LOST}" in text
    assert broken.position() == 30
    publish_anew(broken, head)


def in_use(stage: Stage) -> dict[tuple[str, int], Reached]:
    return {place: at for place, at in stage.reached().items() if at.next_offset}


def test_less_is_sent_than_was_lost(broken: Stage) -> None:
    broken.filler.append(3)
    assert "it was made anew or cut" in broken.await_state("refused")
    assert broken.position() == 30


def tell(stage: Stage, records: Sequence[Record]) -> None:
    """Write records as a relay would that was killed before it moved its checkpoint."""
    producer = Producer(stage.settings, ProducerLimits())
    try:
        for record in records:
            producer.send(record, partition_of(record.key, PARTITIONS))
        while not producer.is_settled(1.0):
            pass
    finally:
        producer.close()


@pytest.fixture
def stopped(stage: Stage) -> Stage:
    """Return a stage whose relay was stopped after 30 events; 30 more are in the log."""
    process = stage.relay().start()
    stage.await_position(stage.filler.append(30))
    assert process.stop() == 0
    stage.filler.append(30)
    return stage


def first_of_a_partition(records: Sequence[Record], number: int) -> Record:
    return next(r for r in records if partition_of(r.key, PARTITIONS) == number)


def test_a_later_event_stands_where_an_earlier_one_was_lost(stopped: Stage) -> None:
    """Within one round, before the relay's checkpoint moved: sent again it would come too late."""
    records = stopped.expected()[30:]
    lost = first_of_a_partition(records, 1)
    tell(stopped, [record for record in records if record is not lost])
    stopped.relay().start()
    text = stopped.await_state("refused")
    assert f"where that of position {lost.position} was due: {LOST}" in text
    assert sum(map(len, stopped.published().values())) == 59


def test_what_crashes_left_several_times_over_is_no_loss(stopped: Stage) -> None:
    """Also where a relay that had been frozen repeats what stands before the checkpoint."""
    records = stopped.expected()
    tell(stopped, records[20:40])
    tell(stopped, records[30:45])
    tell(stopped, records[30:60])
    stopped.relay().start()
    stopped.await_position(60)
    assert check(stopped) == 10 + 10 + 15 + 30


def test_a_last_record_that_was_deleted(stopped: Stage) -> None:
    reached = stopped.reached()[stopped.orders, 2]
    with stopped.admin() as admin:
        admin.delete_records({TopicPartition(stopped.orders, 2): reached.next_offset})
    stopped.relay().start()
    text = stopped.await_state("refused")
    assert f"the event of position {reached.position} was acknowledged, is gone" in text


ENDS = {("t", 0): 5, ("t", 1): 0}


def test_a_round_in_two_partitions() -> None:
    placed = [Placed("t", 1, 0, 7), Placed("t", 0, 5, 8), Placed("t", 0, 6, 9)]
    assert settle(placed, ENDS) == {("t", 1): Reached(1, 7), ("t", 0): Reached(7, 9)}


@pytest.mark.parametrize("offset", [7, -1])
def test_a_record_that_is_not_next_within_its_round(offset: int) -> None:
    with pytest.raises(Interleaved, match=f"due at offset 6 and stands at {offset}"):
        settle([Placed("t", 0, 5, 8), Placed("t", 0, offset, 9)], ENDS)


def test_a_record_in_the_place_of_one_of_its_own_round() -> None:
    with pytest.raises(CannotPublish, match="up to offset 5, and the next one came to stand at 5"):
        settle([Placed("t", 0, 5, 8), Placed("t", 0, 5, 9)], ENDS)
