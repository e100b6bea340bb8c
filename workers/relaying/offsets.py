"""Offset by offset, what stands in Kafka is what the relay sent: nothing lost, nothing foreign.

A broker may lose the end of a partition that it had acknowledged, and put what is sent next in its
place. So each partition's last acknowledged event is looked for where it stood. What stands behind
it was sent before a crash or by a relay that was frozen: the log's next events in the log's order,
however often, or we do not go on.
"""

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import psycopg

from adapters.kafka.producer import Placed
from adapters.kafka.records import NotOurs, to_recorded
from adapters.kafka.topics import CannotPublish, Found, Partition, Topics, partition_of
from adapters.postgres import relays
from adapters.postgres.relays import Reached
from commands.catalogue import topic_of
from domain.log import Recorded

ELSEWHERE = (
    "Set AVIARY_KAFKA_TOPIC_PREFIX to a new prefix; everything is published there from position 1."
)
_LOST = "Kafka has lost records that it had acknowledged, and others were written in their place."
_PAGE_EVENTS = 2000
_PAGE_BYTES = 8 << 20


class Interleaved(Exception):  # noqa: N818 - says what is so
    """Another writer's records stand between ours; the checks at the start say whose they are."""


def settle(placed: Iterable[Placed], ends: Mapping[Partition, int]) -> dict[Partition, Reached]:
    """How far each partition is after a round, given where it ended before.

    Raises CannotPublish where Kafka has lost records, Interleaved where somebody else has written.
    """
    reached: dict[Partition, Reached] = {}
    for record in placed:
        place = record.topic, record.partition
        due = reached[place].next_offset if place in reached else ends[place]
        if 0 <= record.offset < due:
            raise CannotPublish(
                f"Partition {record.partition} of topic {record.topic} held records up to offset "
                f"{due - 1}, and the next one came to stand at {record.offset}: Kafka has lost "
                f"records that it had acknowledged, or it was made anew or cut. {ELSEWHERE}"
            )
        if record.offset != due:
            raise Interleaved(
                f"Our next record in partition {record.partition} of topic {record.topic} was due "
                f"at offset {due} and stands at {record.offset}: somebody else wrote there."
            )
        reached[place] = Reached(due + 1, record.position)
    return reached


def check_records(
    topics: Topics,
    session: psycopg.Connection[Any],
    relay: str,
    prefix: str,
    ends: Mapping[Partition, int],
    beat: Callable[[], None],
) -> None:
    """Read each partition from its last acknowledged record to its end. Raises CannotPublish."""
    published = relays.load_partitions(session, relay)
    unseen = {place: at for place, at in published.items() if at.next_offset}
    order = _Order(session, relays.load_position(session, relay), prefix, published)
    spans = {
        place: (max(0, at.next_offset - 1), ends[place])
        for place, at in published.items()
        if ends[place]
    }
    for records in topics.read(spans):
        beat()
        for record, event in _ours(session, records):
            place = record.topic, record.partition
            if record.offset < published[place].next_offset:
                _check_last(record, event.position, unseen.pop(place).position)
            else:
                order.check(record, event.position)
    for (topic, partition), at in unseen.items():
        raise CannotPublish(
            f"Offset {at.next_offset - 1} of partition {partition} of topic {topic}, where the "
            f"event of position {at.position} was acknowledged, is gone: the topic was cut. "
            f"{ELSEWHERE}"
        )


def _check_last(record: Found, position: int, acknowledged: int) -> None:
    if position != acknowledged:
        raise CannotPublish(
            f"{_place(record)} is the event of position {position}, but that of position "
            f"{acknowledged} was acknowledged there: {_LOST} {ELSEWHERE}"
        )


class _Order:
    """Which event each partition may hold next, behind its last acknowledged one."""

    def __init__(
        self,
        session: psycopg.Connection[Any],
        position: int,
        prefix: str,
        published: Mapping[Partition, Reached],
    ) -> None:
        self._session = session
        self._read_to = position
        self._prefix = prefix
        self._counts = Counter(topic for topic, _ in published)
        self._highest = {place: at.position for place, at in published.items()}
        self._due: dict[Partition, deque[int]] = defaultdict(deque)

    def check(self, record: Found, position: int) -> None:
        place = record.topic, record.partition
        if position <= self._highest[place]:
            return  # Sent again.
        while self._read_to < position:
            self._read_page()
        due = self._due[place].popleft() if self._due[place] else None
        if position != due:
            raise CannotPublish(
                f"{_place(record)} is the event of position {position}, where "
                f"{'none' if due is None else f'that of position {due}'} was due: {_LOST} "
                f"{ELSEWHERE}"
            )
        self._highest[place] = position

    def _read_page(self) -> None:
        """Some position behind this one is in the log, or the record would not be ours."""
        page = relays.read_page(self._session, self._read_to, _PAGE_EVENTS, _PAGE_BYTES)
        for event in page:
            topic = topic_of(event, self._prefix)
            partition = partition_of(event.stream.encode(), self._counts[topic])
            self._due[topic, partition].append(event.position)
        self._read_to = page[-1].position


def _ours(
    session: psycopg.Connection[Any], records: Sequence[Found]
) -> Iterator[tuple[Found, Recorded]]:
    """Each record with its event, once the log has that event. Raises CannotPublish."""
    read = [(record, _event_of(record)) for record in records]
    seals = relays.load_seals(session, [event.position for _, event in read])
    for record, event in read:
        seal = seals.get(event.position)
        if seal != event.seal:
            said = "does not have that position" if seal is None else "has another event there"
            raise CannotPublish(
                f"{_place(record)} is an event of position {event.position}, and this log {said}. "
                "Postgres was restored from an older backup, or another installation publishes to "
                f"the same topics. {ELSEWHERE}"
            )
        yield record, event


def _event_of(record: Found) -> Recorded:
    try:
        return to_recorded(record.value, record.headers)
    except NotOurs as error:
        raise CannotPublish(f"{_place(record)}: {error}. {ELSEWHERE}") from error


def _place(record: Found) -> str:
    return f"Offset {record.offset} of partition {record.partition} of topic {record.topic}"
