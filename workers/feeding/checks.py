"""What must hold before a read model follows Kafka: its offsets still mean what they meant."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import psycopg

from adapters.kafka.topics import Partition
from adapters.postgres import feeds
from adapters.postgres.feeds import Key, Standing


class CannotFollow(Exception):  # noqa: N818 - says what is so
    """What stands in Kafka is not what these read models were following."""


def check_relay(connection: psycopg.Connection[Any], fed: Sequence[str], relay: str) -> None:
    others = feeds.load_relays_of(connection, fed) - {relay}
    if others:
        raise CannotFollow(
            f"{', '.join(fed)} follow what relay {', '.join(sorted(others))} published, and this "
            f"is {relay}: offsets mean something else here. Run `aviary feed set NAME log` for "
            "each of them, and `aviary feed set NAME kafka` when the new relay has caught up."
        )


def check_partitions(standings: Mapping[Key, Standing], counts: Mapping[str, int]) -> None:
    expected = Counter(topic for topic, _ in {key[1:] for key in standings})
    for topic, count in expected.items():
        if counts.get(topic, 0) != count:
            raise CannotFollow(
                f"Topic {topic} has {counts.get(topic, 0)} partitions in Kafka and had {count} "
                "when it was first published to: keys are in other partitions now. Run "
                "`aviary feed set NAME log` for the read models that follow it."
            )


def more_partitions(place: Partition) -> str:
    return (
        f"Partition {place[1]} of topic {place[0]} was not there when it was first published to. "
        "Run `aviary feed set NAME log` for the read models that follow it."
    )
