"""Where read models that follow Kafka stand, saved with their rows.

Lock order: `lock_shared` or `lock_alone`, checkpoints, feed_partitions, rows. The advisory lock is
there because it queues: row locks that many members share would let a `for update` starve.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import psycopg
from msgspec import Struct

_LOCK = 0x66656564  # "feed"
Partition = tuple[str, int]
"""Topic and number."""
Key = tuple[str, str, int]
"""Read model, topic, number of the partition."""

_SAVE = """
update feed_partitions f
set next_offset = moved.next_offset, position = moved.position
from (
    select
        new.projection,
        new.topic,
        new.partition,
        new.old,
        new.next_offset,
        greatest(
            new.position,
            case when new.next_offset >= p.next_offset then r.position else 0 end
        ) as position
    from unnest(
        %(projections)s::text[], %(topics)s::text[], %(partitions)s::int[], %(old)s::bigint[],
        %(offsets)s::bigint[], %(positions)s::bigint[]
    ) as new (projection, topic, partition, old, next_offset, position)
    join relay_partitions p
        on p.relay = %(relay)s and p.topic = new.topic and p.partition = new.partition
    join relays r on r.name = p.relay
) as moved
where f.projection = moved.projection
    and f.topic = moved.topic
    and f.partition = moved.partition
    and f.next_offset = moved.old
    and (f.next_offset <> moved.next_offset or f.position <> moved.position)
returning f.projection, f.topic, f.partition, f.next_offset, f.position
"""


class FeedMoved(Exception):  # noqa: N818 - says what is so
    """Another member, or a move, was here: this page is not ours to save. Nothing was saved."""


class Standing(Struct, frozen=True):
    """Of one read model in one partition: every event of it up to `position` is in the rows."""

    next_offset: int
    position: int


class Reach(Struct, frozen=True):
    relayed: int
    """The relay's position."""
    shown: int
    """What every read model has reached."""
    fed: tuple[str, ...]
    """Read models that follow Kafka."""


def lock_shared(connection: psycopg.Connection[Any], names: Sequence[str]) -> None:
    """Until the transaction ends, none of these read models is moved, rebuilt or retried."""
    connection.execute(
        "select pg_advisory_xact_lock_shared(%s, hashtext(n)) from unnest(%s::text[]) as n",
        (_LOCK, sorted(names)),
        prepare=True,
    )


def lock_alone(connection: psycopg.Connection[Any], name: str) -> None:
    """Until the transaction ends, nobody else folds this read model, whatever feeds it."""
    connection.execute("select pg_advisory_xact_lock(%s, hashtext(%s))", (_LOCK, name))
    connection.execute("select 1 from checkpoints where projection = %s for update", (name,))


def hold_fed(connection: psycopg.Connection[Any], names: Sequence[str]) -> tuple[str, ...]:
    """Those of these read models that follow Kafka; they do so until the transaction ends."""
    found = connection.execute(
        """select projection from checkpoints
        where projection = any(%s) and feed = 'kafka'
        order by projection for share""",
        (list(names),),
        prepare=True,
    )
    return tuple(name for (name,) in found)


def load_reach(connection: psycopg.Connection[Any], relay: str, names: Sequence[str]) -> Reach:
    row = connection.execute(
        """select
            (select position from relays where name = %s),
            (select min(position) from read_positions),
            array(
                select projection from checkpoints
                where projection = any(%s) and feed = 'kafka' order by projection
            )""",
        (relay, list(names)),
        prepare=True,
    ).fetchone()
    relayed, shown, fed = row or (0, 0, [])
    return Reach(relayed or 0, shown or 0, tuple(fed))


def load_relays_of(connection: psycopg.Connection[Any], names: Sequence[str]) -> set[str]:
    found = connection.execute(
        "select distinct relay from feed_partitions where projection = any(%s)", (list(names),)
    )
    return {relay for (relay,) in found}


def load_standings(
    connection: psycopg.Connection[Any],
    names: Sequence[str],
    places: Collection[Partition] | None = None,
    *,
    for_update: bool = False,
) -> dict[Key, Standing]:
    """Where they stand in these partitions, or in all."""
    wanted = ""
    parameters: list[object] = [list(names)]
    if places is not None:
        wanted = """and (topic, partition) in (
            select * from unnest(%s::text[], %s::int[]) as place (topic, partition)
        )"""
        parameters += [[topic for topic, _ in places], [number for _, number in places]]
    found = connection.execute(
        f"""select projection, topic, partition, next_offset, position
        from feed_partitions
        where projection = any(%s) {wanted}
        order by projection, topic, partition {"for update" if for_update else ""}""",
        parameters,
        prepare=True,
    )
    return {(name, topic, number): Standing(*rest) for name, topic, number, *rest in found}


def save_standings(
    connection: psycopg.Connection[Any],
    relay: str,
    old: Mapping[Key, Standing],
    new: Mapping[Key, Standing],
) -> dict[Key, Standing]:
    """Compare and set; answers `new` with what is better. Raises FeedMoved.

    Where a partition's next offset is at the relay's or beyond, nothing up to the relay's position
    can be missing: so the position of a quiet partition moves too.
    """
    keys = sorted(new)
    moved = connection.execute(
        _SAVE,
        {
            "relay": relay,
            "projections": [name for name, _, _ in keys],
            "topics": [topic for _, topic, _ in keys],
            "partitions": [number for _, _, number in keys],
            "old": [old[key].next_offset for key in keys],
            "offsets": [new[key].next_offset for key in keys],
            "positions": [new[key].position for key in keys],
        },
        prepare=True,
    )
    saved = {(name, topic, number): Standing(*rest) for name, topic, number, *rest in moved}
    lost = [key for key in keys if new[key] != old[key] and key not in saved]
    if lost:
        raise FeedMoved(f"{lost[0]} is no longer at offset {old[lost[0]].next_offset}.")
    return {**new, **saved}


def count_behind(connection: psycopg.Connection[Any], relay: str, names: Sequence[str]) -> int:
    """Partitions in which a read model has not reached what the relay has published."""
    row = connection.execute(
        """select count(*)
        from feed_partitions f
        join relay_partitions p
            on p.relay = %s and p.topic = f.topic and p.partition = f.partition
        where f.projection = any(%s) and f.next_offset < p.next_offset""",
        (relay, list(names)),
    ).fetchone()
    return int(row[0]) if row else 0


def load_positions(
    connection: psycopg.Connection[Any], versions: Collection[tuple[str, int]]
) -> dict[tuple[str, int], int]:
    """Positions in the log by stream and version; one that is not there is not in the answer."""
    found = connection.execute(
        """select e.originator_id, e.originator_version, e.notification_id
        from unnest(%s::text[], %s::bigint[]) as wanted (stream, version)
        join events e
            on e.originator_id = wanted.stream and e.originator_version = wanted.version""",
        ([stream for stream, _ in versions], [version for _, version in versions]),
        prepare=True,
    )
    return {(stream, version): position for stream, version, position in found}


def announce(connection: psycopg.Connection[Any], channel: str) -> None:
    """Tell waiters, at commit, what every read model has reached, whichever feed each follows."""
    connection.execute(
        "select pg_notify(%s, coalesce(min(position), 0)::text) from read_positions",
        (channel,),
        prepare=True,
    )


def load_floors(connection: psycopg.Connection[Any], names: Sequence[str]) -> dict[Key, int]:
    """Of read models that came back to the log: what each partition had folded by then."""
    return {key: entry.position for key, entry in load_standings(connection, names).items()}


def drop_floors(connection: psycopg.Connection[Any], names: Sequence[str]) -> None:
    connection.execute("delete from feed_partitions where projection = any(%s)", (list(names),))
