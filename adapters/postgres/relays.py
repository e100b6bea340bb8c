"""What the relay keeps: how far it is, where its records stand, and who is the active one.

The session that reads the log and moves the checkpoint also holds the lock. The server ends a
session that stays silent for `SILENT_MS`, so a frozen relay loses lock and checkpoint together.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from msgspec import Struct
from psycopg.rows import tuple_row

from adapters.postgres.connect import PROJECTOR_OPTIONS
from domain.log import Recorded

SILENT_MS = 15000
OPTIONS = f"{PROJECTOR_OPTIONS} -c synchronous_commit=off -c idle_session_timeout={SILENT_MS}"
"""A checkpoint lost in a crash of the server only means that some records are sent twice."""
_LOCK = 0x72656C61  # "rela"
_PAGE = """
select notification_id, originator_id, originator_version, topic, state, metadata, seal
from (
    select
        *,
        sum(octet_length(state) + octet_length(metadata)) over (order by notification_id) as bytes,
        row_number() over (order by notification_id) as nth
    from (
        select *
        from events
        where notification_id > %s
        order by notification_id
        limit %s
    ) as page
) as measured
where bytes <= %s or nth = 1
order by notification_id
"""
_MOVE_PARTITIONS = """
update relay_partitions p
set next_offset = reached.next_offset, position = reached.position
from unnest(%s::text[], %s::int[], %s::bigint[], %s::bigint[])
    as reached (topic, partition, next_offset, position)
where p.relay = %s and p.topic = reached.topic and p.partition = reached.partition
"""


class Reached(Struct, frozen=True):
    """How far a partition was acknowledged."""

    next_offset: int
    position: int
    """Of the event at the offset before; 0 where none was ever sent."""


class RelayMoved(Exception):  # noqa: N818 - says what is so
    """Another relay has moved the checkpoint: this one was frozen and moved nothing."""


def try_lock(session: psycopg.Connection[Any], name: str) -> bool:
    """Become the active relay, for as long as this session lives."""
    row = session.execute("select pg_try_advisory_lock(%s, hashtext(%s))", (_LOCK, name)).fetchone()
    return bool(row and row[0])


def load_head(session: psycopg.Connection[Any]) -> int:
    """The log's last position; raises psycopg.Error when the session has been ended."""
    row = session.execute("select position from log_head", prepare=True).fetchone()
    return int(row[0]) if row else 0


def load_position(session: psycopg.Connection[Any], name: str) -> int:
    """How far it is; one that has never run is made to stand at 0."""
    session.execute("insert into relays (name) values (%s) on conflict do nothing", (name,))
    row = session.execute("select position from relays where name = %s", (name,)).fetchone()
    return int(row[0]) if row else 0


def load_partitions(session: psycopg.Connection[Any], name: str) -> dict[tuple[str, int], Reached]:
    """Every partition ever seen, by topic and partition."""
    found = session.execute(
        "select topic, partition, next_offset, position from relay_partitions where relay = %s",
        (name,),
    )
    return {(topic, partition): Reached(*reached) for topic, partition, *reached in found}


def add_topic(session: psycopg.Connection[Any], name: str, topic: str, partitions: int) -> None:
    session.execute(
        """insert into relay_partitions (relay, topic, partition)
        select %s, %s, generate_series(0, %s - 1)""",
        (name, topic, partitions),
    )


def move(
    session: psycopg.Connection[Any],
    name: str,
    old: int,
    new: int,
    partitions: Mapping[tuple[str, int], Reached],
) -> None:
    """Compare and set the position, with what was published up to it. Raises RelayMoved."""
    with session.transaction():
        moved = session.execute(
            "update relays set position = %s, moved_at = now() where name = %s and position = %s",
            (new, name, old),
            prepare=True,
        )
        if moved.rowcount != 1:
            raise RelayMoved(
                f"Relay {name} was expected at position {old}; another one has moved it."
            )
        session.execute(
            _MOVE_PARTITIONS,
            (
                [topic for topic, _ in partitions],
                [partition for _, partition in partitions],
                [reached.next_offset for reached in partitions.values()],
                [reached.position for reached in partitions.values()],
                name,
            ),
            prepare=True,
        )


def read_page(
    session: psycopg.Connection[Any], after: int, events: int, size_bytes: int
) -> list[Recorded]:
    """The log after a position: so many events and bytes at most, but at least one event."""
    with session.cursor(row_factory=tuple_row, binary=True) as cursor:
        cursor.execute(_PAGE, (after, events, size_bytes), prepare=True)
        return [Recorded(*row) for row in cursor]


def load_seals(session: psycopg.Connection[Any], positions: Sequence[int]) -> dict[int, bytes]:
    """Seals by position; a position that the log does not have is not in the answer."""
    found = session.execute(
        "select notification_id, seal from events where notification_id = any(%s)",
        (list(positions),),
        prepare=True,
    )
    return dict(found.fetchall())
