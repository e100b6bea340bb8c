"""Moves a read model from one feed to the other, without a gap and without folding anything twice.

To Kafka: once the read model has folded all that the relay had published at some moment, it goes on
at the offsets of that moment. Back to the log: from the partition that is least far, and what the
others had folded already is passed over (`workers/projecting/floors.py`).
"""

import time
from collections.abc import Sequence
from typing import Any

import psycopg
from msgspec import Struct

from adapters.kafka.topics import Partition, Topics
from adapters.postgres import feeds
from adapters.postgres.connect import PROJECTOR_OPTIONS, connect
from adapters.settings import Settings
from commands.catalogue import AGGREGATES
from projections import PROJECTIONS
from projections.projection import Projection
from workers.relaying.relay import name_of

WAIT_SECONDS = 60.0
_POLL_SECONDS = 0.05


class CannotMove(Exception):  # noqa: N818 - says what is so
    """The read model stays where it is, and why."""


class FeedOf(Struct, frozen=True):
    projection: str
    feed: str
    """`log`, `kafka`, or `halted` where it follows neither now."""
    position: int
    relay: str | None
    """Whose records it follows; while moving back to the log, whose it followed."""


class _Published(Struct, frozen=True):
    """What the relay had published at one moment."""

    position: int
    next_offsets: dict[Partition, int]


def list_feeds(connection: psycopg.Connection[Any]) -> list[FeedOf]:
    found = connection.execute(
        """select p.projection, p.feed, p.position,
            (select min(f.relay) from feed_partitions f where f.projection = p.projection)
        from read_positions p
        union all
        select projection, 'halted', c.position, null
        from halts h join checkpoints c using (projection)
        order by projection"""
    )
    return [FeedOf(*row) for row in found]


def move_to_log(dsn: str, name: str) -> int:
    """Follow the log from now on, from the answered position. Needs no Kafka. Raises CannotMove."""
    _find(name)
    with connect(dsn, PROJECTOR_OPTIONS, autocommit=True) as connection, connection.transaction():
        try:
            feeds.lock_alone(connection, name)
        except psycopg.errors.LockNotAvailable as error:
            raise CannotMove(f"{name} is being rebuilt or moved. Try again after that.") from error
        row = connection.execute(
            """update checkpoints c
            set feed = 'log', updated_at = now(), position = greatest(c.position, (
                select min(f.position) from feed_partitions f where f.projection = c.projection
            ))
            where c.projection = %s and c.feed = 'kafka'
            returning c.position""",
            (name,),
        ).fetchone()
        if row is None:
            raise CannotMove(f"{name} follows the log already.")
        connection.execute(
            """delete from feed_partitions where projection = %s and not exists (
                select from feed_partitions f where f.projection = %s and f.position > %s
            )""",
            (name, name, row[0]),
        )
        return int(row[0])


def move_to_kafka(
    settings: Settings, dsn: str, name: str, wait_seconds: float = WAIT_SECONDS
) -> int:
    """Follow Kafka from now on, from the answered position. Raises CannotMove or KafkaError."""
    topics = _topics_of(_find(name), settings)
    with Topics(settings) as kafka:
        relay = name_of(kafka.cluster_id(), settings.kafka_topic_prefix)
        counts = kafka.partition_counts(topics)
    until = time.monotonic() + wait_seconds
    with connect(dsn, PROJECTOR_OPTIONS, autocommit=True) as connection:
        _check_feed(connection, name)
        published = _wait_for_relay(connection, relay, topics, until)
        for topic in topics:
            known = sum(place[0] == topic for place in published.next_offsets)
            if known != counts.get(topic, 0):
                raise CannotMove(
                    f"Topic {topic} has {counts.get(topic, 0)} partitions in Kafka and {known} are "
                    "known to the relay: see what its worker says in /ready."
                )
        while True:
            try:
                position = _try_move(connection, name, relay, published)
            except psycopg.errors.LockNotAvailable:
                position = None  # It is being rebuilt, or somebody hangs inside a page.
            if position is not None:
                return position
            if time.monotonic() > until:
                raise CannotMove(
                    f"{name} did not reach position {published.position}, which the relay has "
                    f"published, within {wait_seconds:g} s. Is the worker `projector` running?"
                )
            time.sleep(_POLL_SECONDS)


def _find(name: str) -> Projection:
    found = next((p for p in PROJECTIONS if p.name == name), None)
    if found is None:
        known = ", ".join(p.name for p in PROJECTIONS)
        raise CannotMove(f"{name!r} is no read model; there are: {known}.")
    return found


def _topics_of(projection: Projection, settings: Settings) -> list[str]:
    """The topics that carry its events: a tag's first word names the aggregate."""
    if not projection.is_keyed_by_stream:
        able = ", ".join(p.name for p in PROJECTIONS if p.is_keyed_by_stream)
        raise CannotMove(
            f"{projection.name} folds events of several streams into one row, and Kafka keeps "
            f"their order only within a stream. These can follow Kafka: {able}."
        )
    if not settings.kafka_bootstrap_servers:
        raise CannotMove("There is no Kafka here: set KAFKA_BOOTSTRAP_SERVERS to host:port.")
    words = {AGGREGATES[tag.partition(".")[0]].topic for tag in projection.tags}
    return sorted(f"{settings.kafka_topic_prefix}.{word}" for word in words)


def _check_feed(connection: psycopg.Connection[Any], name: str) -> None:
    row = connection.execute(
        "select feed from checkpoints where projection = %s", (name,)
    ).fetchone()
    if row is None:
        raise CannotMove(f"{name} has never been folded. Is the worker `projector` running?")
    if row[0] == "kafka":
        raise CannotMove(f"{name} follows Kafka already.")


def _wait_for_relay(
    connection: psycopg.Connection[Any], relay: str, topics: Sequence[str], until: float
) -> _Published:
    """What is published, once that is at least the log as it is now."""
    head = 0
    while True:
        found = connection.execute(
            """select r.position, h.position, p.topic, p.partition, p.next_offset
            from log_head h
            left join relays r on r.name = %s
            left join relay_partitions p on p.relay = r.name and p.topic = any(%s)""",
            (relay, list(topics)),
        ).fetchall()
        position, head_now = found[0][0], found[0][1]
        head = head or head_now
        if position is None or found[0][2] is None:
            raise CannotMove(
                f"Relay {relay} has never run: start `aviary worker relay` and wait until it has "
                "published the log."
            )
        if position >= head:
            return _Published(position, {(row[2], row[3]): row[4] for row in found})
        if time.monotonic() > until:
            raise CannotMove(
                f"Relay {relay} has published {position} of {head} events and did not get further "
                "in time: see what its worker says in /ready, and try again when it has caught up."
            )
        time.sleep(_POLL_SECONDS)


def _try_move(
    connection: psycopg.Connection[Any], name: str, relay: str, published: _Published
) -> int | None:
    """Move where the read model has folded all that was published, and no floors are left."""
    with connection.transaction():
        feeds.lock_alone(connection, name)
        _check_feed(connection, name)
        row = connection.execute(
            """update checkpoints c set feed = 'kafka', updated_at = now()
            where c.projection = %s and c.position >= %s
                and not exists (
                    select from feed_partitions f where f.projection = c.projection
                )
            returning c.position""",
            (name, published.position),
        ).fetchone()
        if row is None:
            return None
        places = list(published.next_offsets)
        connection.execute(
            """insert into feed_partitions
                (projection, relay, topic, partition, next_offset, position)
            select %s, %s, topic, partition, next_offset, %s
            from unnest(%s::text[], %s::int[], %s::bigint[])
                as place (topic, partition, next_offset)""",
            (
                name,
                relay,
                row[0],
                [topic for topic, _ in places],
                [number for _, number in places],
                list(published.next_offsets.values()),
            ),
        )
        return int(row[0])
