"""What must hold before anything is sent: our topics, and the ends of them, as we left them."""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import psycopg
from msgspec import Struct

from adapters.kafka.topics import KEPT, CannotPublish, Partition, Topic, Topics
from adapters.postgres import relays
from adapters.postgres.relays import Reached
from adapters.settings import Settings
from commands import catalogue
from workers.relaying.offsets import ELSEWHERE, check_records


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
            found[name] = topics.create(name, wanted, settings.kafka_replication)
        check_count(name, counts[name] or found[name].partitions, found[name].partitions)
        _check_kept(found[name])
        if not counts[name]:
            relays.add_topic(session, relay, name, found[name].partitions)
    published = relays.load_partitions(session, relay)
    ends = topics.ends(published)
    _check_ends(published, ends)
    check_records(topics, session, relay, settings.kafka_topic_prefix, ends, beat)
    return Route(
        {name: found[name].partitions for name in names},
        ends,
        min(topic.record_bytes_max for topic in found.values()),
    )


def check_count(topic: str, expected: int, partitions: int) -> None:
    if partitions != expected:
        raise CannotPublish(
            f"Topic {topic} has {partitions} partitions and had {expected} when publishing began: "
            f"keys would change their partition and so their order. {ELSEWHERE}"
        )


def _refuse_gone(topic: str, recorded: Mapping[Partition, Reached]) -> None:
    written = sum(at.next_offset for (name, _), at in recorded.items() if name == topic)
    if written:
        raise CannotPublish(f"Topic {topic} is gone; it held {written} records. {ELSEWHERE}")


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


def _check_ends(recorded: Mapping[Partition, Reached], ends: Mapping[Partition, int]) -> None:
    for (topic, partition), at in recorded.items():
        end = ends[topic, partition]
        if end < at.next_offset:
            raise CannotPublish(
                f"Partition {partition} of topic {topic} ends at offset {end}, but records up to "
                f"{at.next_offset} were acknowledged: it was made anew or cut. {ELSEWHERE}"
            )
