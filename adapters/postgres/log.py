"""The log in Postgres: one writing session for one committer, and reads from anywhere."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from eventsourcing.persistence import PersistenceError
from psycopg.rows import class_row, tuple_row

from adapters.postgres.append import COLUMNS, RECEIPTS, PostgresAppend, Writer, head_of
from adapters.postgres.connect import WRITER_OPTIONS, connect
from adapters.postgres.recorder import LogDatastore, LogRecorder
from domain.log import Head, Receipt, Recorded, StoreUnavailable

_CONTENT_ERRORS = (psycopg.DataError, psycopg.errors.ProgramLimitExceeded)
"""The store is well, but something in what it was given can never be stored."""


class PostgresLog:
    """The store behind one committer. Reads run on the library's own small pool."""

    def __init__(self, dsn: str, options: str = WRITER_OPTIONS) -> None:
        self._dsn = dsn
        self._options = options
        self._writer: Writer | None = None
        self._reading = threading.Lock()
        self._reader: psycopg.Connection[Any] | None = None
        self.recorder = LogRecorder(LogDatastore(dsn, options))

    @contextmanager
    def append(self) -> Iterator[PostgresAppend]:
        try:
            if self._writer is None or self._writer.connection.closed:
                self._drop_writer()
                self._writer = Writer(self._dsn, self._options)
            yield PostgresAppend(self._writer, self.recorder)
            if self._writer.is_inside():
                self._writer.connection.rollback()
        except _CONTENT_ERRORS:
            self._drop_writer()
            raise
        except psycopg.Error as error:
            self._drop_writer()
            raise StoreUnavailable(f"The log did not take the write: {error}") from error
        except BaseException:
            self._drop_writer()
            raise

    def _drop_writer(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    @contextmanager
    def _read(self) -> Iterator[psycopg.Connection[Any]]:
        with self._reading:
            try:
                if self._reader is None or self._reader.closed:
                    self._reader = connect(self._dsn, self._options, autocommit=True)
                yield self._reader
            except (psycopg.Error, PersistenceError) as error:
                if self._reader is not None:
                    self._reader.close()
                    self._reader = None
                raise StoreUnavailable(f"The log cannot be read: {error}") from error

    def head(self) -> Head:
        with self._read() as connection:
            return head_of(connection.execute("select position, seal from log_head").fetchone())

    def read_stream(
        self, stream: str, after: int = 0, limit: int | None = None
    ) -> Sequence[Recorded]:
        query = f"""select {COLUMNS} from events
            where originator_id = %s and originator_version > %s
            order by originator_version limit %s"""
        with self._read() as connection:
            return _events(connection, query, (stream, after, limit))

    def last_of(self, stream: str, tags: Sequence[str]) -> int:
        query = """select originator_version from events
            where originator_id = %s and topic = any(%s)
            order by originator_version desc limit 1"""
        with self._read() as connection:
            row = connection.execute(query, (stream, list(tags))).fetchone()
            return int(row[0]) if row else 0

    def read_log(self, after: int, limit: int) -> Sequence[Recorded]:
        with self._read() as connection:
            return read_log(connection, after, limit)

    def read_tallies(self) -> Mapping[str, bytes]:
        with self._read() as connection:
            rows = connection.execute("select key, state::text from tallies").fetchall()
            return {key: state.encode() for key, state in rows}

    def find_receipts(self, command_ids: Sequence[str]) -> Mapping[str, Receipt]:
        with self._read() as connection:
            return _receipts(connection, command_ids)

    def close(self) -> None:
        self._drop_writer()
        with self._reading:
            if self._reader is not None:
                self._reader.close()
        self.recorder.datastore.close()


def read_log(connection: psycopg.Connection[Any], after: int, limit: int) -> list[Recorded]:
    """One page of the log after a position, in order."""
    query = f"""select {COLUMNS} from events
        where notification_id > %s order by notification_id limit %s"""
    return _events(connection, query, (after, limit))


def read_positions(connection: psycopg.Connection[Any], positions: Sequence[int]) -> list[Recorded]:
    """Named events of the log, in order."""
    query = f"""select {COLUMNS} from events
        where notification_id = any(%s) order by notification_id"""
    return _events(connection, query, (list(positions),))


def _events(
    connection: psycopg.Connection[Any], query: str, parameters: Sequence[object]
) -> list[Recorded]:
    with connection.cursor(row_factory=tuple_row, binary=True) as cursor:
        cursor.execute(query, parameters, prepare=True)
        return [Recorded(*row) for row in cursor]


def _receipts(
    connection: psycopg.Connection[Any], command_ids: Sequence[str]
) -> Mapping[str, Receipt]:
    with connection.cursor(row_factory=class_row(Receipt), binary=True) as cursor:
        cursor.execute(RECEIPTS, (list(command_ids),), prepare=True)
        return {receipt.command_id: receipt for receipt in cursor}
