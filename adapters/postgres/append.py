"""One append to the log: a transaction under its lock, on a session kept for writing.

Two round trips in all: one that waits for the lock and reads, one that writes and commits. Each
costs the holder a wait for the processor, and everybody waits for the holder. The session is cut by
the server when it stays silent for 2 s inside a transaction, so a frozen writer stops the others
for 3 s; and after 4 s in all, should it freeze while it sends.
"""

import select
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import class_row

from adapters.postgres.connect import connect
from adapters.postgres.recorder import LOG_LOCK, LogRecorder
from domain.log import (
    NOTHING,
    Fence,
    Found,
    Head,
    Receipt,
    Recorded,
    StoreUnavailable,
    Wanted,
)

CHANNEL = "aviary_log"
COLUMNS = """notification_id as position, originator_id as stream, originator_version as version,
    topic as tag, state as payload, metadata, seal"""
_LOCK = f"select pg_advisory_xact_lock({LOG_LOCK})"
_HEAD = "select position, seal, tallied from log_head"
_RECEIPT_FIELDS = Receipt.__struct_fields__
_RECEIPT_COLUMNS = ", ".join(_RECEIPT_FIELDS)
RECEIPTS = f"select {_RECEIPT_COLUMNS} from receipts where command_id = any(%b::text[])"
_NEWER = f"""
select events.position, events.stream, events.version, events.tag, events.payload,
    events.metadata, events.seal
from unnest(%b::text[], %b::bigint[]) as touched (stream, version)
cross join lateral (
    select {COLUMNS}
    from events
    where originator_id = touched.stream and originator_version > touched.version
    order by originator_version
    offset 0
) as events
union all
select 0, key, 0, null, state::text::bytea, null, null
from tallies
where key = any(%b::text[])
"""  # `offset 0` keeps the planner at one index lookup a stream, whatever its statistics say
_HELD = """
select leases.account, leases.lease
from unnest(%b::text[], %b::bigint[]) as fence (account, lease)
join leases using (account, lease)
for share of leases
"""
_WRITE_RECEIPTS = f"""
insert into receipts ({_RECEIPT_COLUMNS})
select * from unnest(
    %b::text[], %b::text[], %b::text[], %b::bytea[], %b::text[], %b::text[], %b::bigint[],
    %b::int[], %b::bigint[], %b::text[], %b::text[]
)
"""
_PUT_TALLIES = """
insert into tallies (key, state)
select key, state::jsonb from unnest(%b::text[], %b::text[]) as counted (key, state)
on conflict (key) do update set state = excluded.state
"""
_MOVE_HEAD = f"""
with moved as (update log_head set position = %b, seal = %b returning position)
select pg_notify('{CHANNEL}', position::text) from moved
"""
_MOVE_HEAD_AND_TALLIES = f"""
with moved as (
    update log_head set position = %b, seal = %b, tallied = %b returning position
), counted as ({_PUT_TALLIES})
select pg_notify('{CHANNEL}', position::text) from moved
"""


class Writer:
    """The writing session, in pipeline mode for as long as it lasts.

    Leaving the mode sends a Flush after the last Sync, and with it the server stops counting how
    long the session has been silent inside its transaction.
    """

    def __init__(self, dsn: str, options: str) -> None:
        self.connection = connect(dsn, options, autocommit=True)
        self._left = ExitStack()
        self._pipeline = self._left.enter_context(self.connection.pipeline())
        self._room = select.poll()
        self._room.register(self.connection.fileno(), select.POLLOUT)

    def sync(self) -> None:
        """Send what is queued, and wait for all answers. Raises the first error among them.

        All of it first: psycopg goes over to waiting for answers although a large part of the
        question may be in its buffer still, and then both sides would wait for each other.
        """
        while self.connection.pgconn.flush():
            self._room.poll()
        self._pipeline.sync()

    def is_inside(self) -> bool:
        """Whether a transaction is open; once it is committed there is nothing to undo."""
        status = self.connection.pgconn.transaction_status
        return not self.connection.closed and status != TransactionStatus.IDLE

    def close(self) -> None:
        self.connection.close()
        with suppress(psycopg.Error):  # It is closed: there is nothing to leave in good order.
            self._left.close()


class PostgresAppend:
    """One transaction on the writing session, under the log's advisory lock."""

    def __init__(self, writer: Writer, recorder: LogRecorder) -> None:
        self._writer = writer
        self._connection = writer.connection
        self._recorder = recorder
        self._writes: list[Callable[[psycopg.Cursor[Any]], object]] = []

    def lock(self, wanted: Wanted = NOTHING) -> Found:
        return self._ask(wanted, ("begin", _LOCK))

    def look(self, wanted: Wanted) -> Found:
        return self._ask(wanted)

    def _ask(self, wanted: Wanted, before: Sequence[str] = ()) -> Found:
        run = self._connection.execute
        receipts = held = newer = None
        for statement in before:
            run(statement, prepare=True)
        self._send_writes()
        head = run(_HEAD, prepare=True, binary=True)
        if wanted.command_ids:
            receipts = self._connection.cursor(row_factory=class_row(Receipt), binary=True)
            receipts.execute(RECEIPTS, (list(wanted.command_ids),), prepare=True)
        if wanted.fences:
            fences = zip(*((f.account, f.lease) for f in wanted.fences), strict=True)
            held = run(_HELD, [list(column) for column in fences], prepare=True)
        if wanted.versions or wanted.tallies:
            streams, versions = list(wanted.versions), list(wanted.versions.values())
            asked = (streams, versions, list(wanted.tallies))
            newer = run(_NEWER, asked, prepare=True, binary=True)
        self._writer.sync()
        rows = newer.fetchall() if newer else []
        row = head.fetchone()
        return Found(
            head_of(row and row[:2]),
            row[2] if row else 0,
            {receipt.command_id: receipt for receipt in receipts} if receipts else {},
            [Recorded(*row) for row in rows if row[3] is not None],
            {row[1]: row[4] for row in rows if row[3] is None},
            frozenset(Fence(*row) for row in held) if held else frozenset(),
        )

    def write_receipts(self, receipts: Sequence[Receipt]) -> None:
        columns = [[getattr(receipt, name) for receipt in receipts] for name in _RECEIPT_FIELDS]
        self._write(_WRITE_RECEIPTS, columns)

    def write_events(
        self, events: Sequence[Recorded], head: Head, tallies: Mapping[str, bytes] | None = None
    ) -> None:
        self._writes.append(lambda cursor: self._recorder.insert_sealed(cursor, events))
        if tallies is None:
            self._write(_MOVE_HEAD, (head.position, head.seal))
        else:
            moved = (head.position, head.seal, head.position)
            self._write(_MOVE_HEAD_AND_TALLIES, (*moved, *_put(tallies)))

    def write_tallies(self, tallies: Mapping[str, bytes], position: int) -> None:
        self._write(_PUT_TALLIES, _put(tallies))
        self._write("update log_head set tallied = %s", (position,))

    def drop_tallies(self) -> None:
        """Older processes remember tallies while `recounts` stays."""
        self._write("delete from tallies")
        self._write("update log_head set recounts = recounts + 1")

    def commit(self) -> None:
        """After a statement that failed the rest of a pipeline is skipped, and so is COMMIT."""
        self._send_writes()
        self._connection.execute("commit", prepare=False)  # In sight of who reads along.
        self._writer.sync()

    def _write(self, query: str, values: Sequence[object] = ()) -> None:
        self._writes.append(lambda cursor: cursor.execute(query, values, prepare=True))

    def _send_writes(self) -> None:
        for write in self._writes:
            write(self._connection.cursor())
        self._writes.clear()


def _put(tallies: Mapping[str, bytes]) -> tuple[list[str], list[str]]:
    return list(tallies), [state.decode() for state in tallies.values()]


def head_of(row: tuple[int, bytes] | None) -> Head:
    if row is None:
        raise StoreUnavailable("The log has no head row; run `aviary migrate`.")
    return Head(*row)
