"""What the lake's worker asks of the log's database: whose turn it is, earlier events, the spool.

One at a time writes to the lake, in turns by an advisory lock. The server ends a session that stays
silent for `SILENT_MS`, so a frozen worker does not keep the turn; that it then writes nothing when
it wakes is the doing of the lake's checkpoints, not of this lock.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec
import psycopg
from msgspec import Struct
from psycopg.rows import tuple_row

from adapters.postgres.connect import PROJECTOR_OPTIONS
from domain.log import Recorded

SILENT_MS = 10_000
OPTIONS = f"{PROJECTOR_OPTIONS} -c idle_session_timeout={SILENT_MS}"
_TURN = 0x6C616B65  # "lake"
_HISTORY = """
select notification_id, originator_id, originator_version, topic, state, metadata, seal
from events
where originator_id = any(%s) and notification_id <= %s
order by notification_id
"""
_SPOOLED = """
select id, lake_table, rows::text
from (
    select *, sum(pg_column_size(rows)) over (order by id) as bytes
    from (select * from lake_spool where refused is null order by id limit %s) as page
) as measured
where bytes - pg_column_size(rows) <= %s
order by id
"""

_LAST = "select case when is_called then last_value else 0 end from lake_spool_id_seq"


class Spooled(Struct, frozen=True):
    id: int
    table: str
    rows: list[dict[str, Any]]


@contextmanager
def turn(session: psycopg.Connection[Any]) -> Iterator[None]:
    """Write alone. Raises psycopg.errors.LockNotAvailable after the session's lock_timeout."""
    session.execute("select pg_advisory_lock(%s)", (_TURN,))
    try:
        yield
    finally:
        if not session.closed:
            session.execute("select pg_advisory_unlock(%s)", (_TURN,))


def try_rebuilding(session: psycopg.Connection[Any], table: str) -> bool:
    """Be the only one who rebuilds this table, for as long as the session lives."""
    row = session.execute(
        "select pg_try_advisory_lock(%s, hashtext(%s))", (_TURN, table)
    ).fetchone()
    return bool(row and row[0])


def read_history(
    session: psycopg.Connection[Any], streams: Sequence[str], until: int
) -> list[Recorded]:
    with session.cursor(row_factory=tuple_row, binary=True) as cursor:
        cursor.execute(_HISTORY, (list(streams), until), prepare=True)
        return [Recorded(*row) for row in cursor]


def read_spool(session: psycopg.Connection[Any], limit: int, size_bytes: int) -> list[Spooled]:
    """The first of what waits. Whoever was adding something has ended: no lower id comes later.

    Raises psycopg.errors.LockNotAvailable while somebody takes long to add.
    """
    with session.transaction():
        session.execute("set local lock_timeout = '500ms'")
        session.execute("lock table lake_spool in share mode")
        with session.cursor(row_factory=tuple_row) as cursor:
            found = cursor.execute(_SPOOLED, (limit, size_bytes)).fetchall()
    return [
        Spooled(number, table, msgspec.json.decode(rows, type=list[dict[str, Any]]))
        for number, table, rows in found
    ]


def drop_spooled(session: psycopg.Connection[Any], until: int) -> None:
    """Forget what is in the lake."""
    session.execute("delete from lake_spool where id <= %s and refused is null", (until,))


def refuse_spooled(session: psycopg.Connection[Any], number: int, reason: str) -> None:
    """Set one aside, with the reason."""
    session.execute("update lake_spool set refused = %s where id = %s", (reason[:1000], number))


def last_spooled(session: psycopg.Connection[Any]) -> int:
    """The highest number that was ever drawn; 0 before the first."""
    found = session.execute(_LAST, prepare=True).fetchone()
    return int(found[0]) if found else 0


def is_anything_spooled(session: psycopg.Connection[Any]) -> bool:
    found = session.execute(
        "select exists (select from lake_spool where refused is null)", prepare=True
    ).fetchone()
    return bool(found and found[0])
