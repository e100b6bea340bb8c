"""What must hold before anything is sent: our topics as we left them, nothing foreign behind us.

Records behind the checkpoint's offsets are what a crash left. Each of them must be an event of
this log, else Postgres was restored from an older backup or somebody else publishes here.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import psycopg
from msgspec import Struct

from adapters.kafka.records import NotOurs, to_recorded
from adapters.kafka.topics import KEPT, CannotPublish, Found, Partition, Topic, Topics
from adapters.postgres import relays
from adapters.settings import Settings
from commands import catalogue
from domain.log import Recorded

_ELSEWHERE = (
    "Set AVIARY_KAFKA_TOPIC_PREFIX to a new prefix; everything is published there from position 1."
)


class Route(Struct, frozen=True):
    """Where events go, as it was found at the start."""

    partitions: Mapping[str, int]
    ends: Mapping[Partition, int]
    """The offset that the next record of each partition gets."""
    batch_bytes_max: int


def examine(
    topics: Topics,
    session: psycopg.Connection[Any],
    relay: str,
    settings: Settings,
    beat: Callable[[], None],
) -> Route:
    """Make what is missing and check the rest. Raises CannotPublish."""
    names = catalogue.topics(settings.kafka_topic_prefix)
    recorded = relays.load_partitions(session, relay)
    counts = Counter(topic for topic, _ in recorded)
    found = topics.describe(names)
    for name in names:
        beat()
        if name not in found:
            _refuse_gone(name, recorded)
            wanted = counts[name] or settings.kafka_partitions
            topics.create(name, wanted, settings.kafka_replication)
            found |= topics.describe([name])
        check_count(name, counts[name] or found[name].partitions, found[name].partitions)
        _check_kept(found[name])
        if not counts[name]:
            relays.add_topic(session, relay, name, found[name].partitions)
    published = relays.load_partitions(session, relay)
    ends = topics.ends(published)
    _check_ends(published, ends)
    tails = {place: (at, ends[place]) for place, at in published.items() if ends[place] > at}
    for records in topics.read(tails):
        beat()
        _check_ours(session, records)
    return Route(
        {name: found[name].partitions for name in names},
        ends,
        min(topic.record_bytes_max for topic in found.values()),
    )


def check_count(topic: str, expected: int, partitions: int) -> None:
    if partitions != expected:
        raise CannotPublish(
            f"Topic {topic} has {partitions} partitions and had {expected} when publishing began: "
            f"keys would change their partition and so their order. {_ELSEWHERE}"
        )


def _refuse_gone(topic: str, recorded: Mapping[Partition, int]) -> None:
    written = sum(at for (name, _), at in recorded.items() if name == topic)
    if written:
        raise CannotPublish(f"Topic {topic} is gone; it held {written} records. {_ELSEWHERE}")


def _check_kept(topic: Topic) -> None:
    wrong = {name: value for name, value in topic.config.items() if value != KEPT[name]}
    if wrong:
        mend = ",".join(f"{name}={KEPT[name]}" for name in wrong)
        raise CannotPublish(
            f"Topic {topic.name} forgets events: it has {_listed(wrong)}. Run: kafka-configs "
            f"--alter --entity-type topics --entity-name {topic.name} --add-config {mend}"
        )


def _listed(values: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in values.items())


def _check_ends(recorded: Mapping[Partition, int], ends: Mapping[Partition, int]) -> None:
    for (topic, partition), at in recorded.items():
        end = ends[topic, partition]
        if end < at:
            raise CannotPublish(
                f"Partition {partition} of topic {topic} ends at offset {end}, but records up to "
                f"{at} were acknowledged: it was made anew or cut. {_ELSEWHERE}"
            )


def _check_ours(session: psycopg.Connection[Any], records: Sequence[Found]) -> None:
    read = [(record, _event_of(record)) for record in records]
    seals = relays.load_seals(session, [event.position for _, event in read])
    for record, event in read:
        seal = seals.get(event.position)
        if seal != event.seal:
            said = "does not have that position" if seal is None else "has another event there"
            raise CannotPublish(
                f"{_place(record)} is an event of position {event.position}, and this log {said}. "
                "Postgres was restored from an older backup, or another installation publishes to "
                f"the same topics. {_ELSEWHERE}"
            )


def _event_of(record: Found) -> Recorded:
    try:
        return to_recorded(record.value, record.headers)
    except NotOurs as error:
        raise CannotPublish(f"{_place(record)}: {error}. {_ELSEWHERE}") from error


def _place(record: Found) -> str:
    return f"Offset {record.offset} of partition {record.partition} of topic {record.topic}"
