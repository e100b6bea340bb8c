"""Builds a folded table of the lake again from position zero, beside the live one, and swaps them.

Neither reads nor needs the live table's files, so it also mends a lake that has lost them. Readers
see the old rows until the swap, which is one transaction, in a turn, with the checkpoint. Killed
before it, nothing has happened, and the next run begins anew.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import psycopg

from adapters.lake.attach import Place, told
from adapters.lake.tables import TABLES, definition
from adapters.postgres import lake as store
from adapters.postgres.connect import connect
from adapters.postgres.relays import load_head, read_page
from commands.crashpoint import crashpoint
from projections.lake_rows import LakeRow
from workers.lake.folding import Folding
from workers.lake.writing import LakeWriter, Moved, commit, insert, move

SUFFIX = "__rebuild"
PAGE_EVENTS = 20_000
PAGE_BYTES = 16 << 20
ROWS_AT_ONCE = 50_000
"""A Parquet file each, so that the new table is not made of small ones."""


class CannotRebuild(Exception):  # noqa: N818 - says what is so
    """Nothing was changed; str() says why."""


def rebuild(
    place: Place,
    dsn: str,
    table: str,
    progress: Callable[[int, int], None] = lambda _position, _head: None,
) -> int:
    """Rebuild one folded table; answers the position at which it was swapped in."""
    import duckdb

    with (
        connect(dsn, store.OPTIONS, autocommit=True) as session,
        contextlib.closing(LakeWriter(place)) as writer,
    ):
        if not store.try_rebuilding(session, table):
            raise CannotRebuild(f"{table} of the lake is being rebuilt by another process.")
        try:
            return _Rebuild(session, writer, table, progress).run()
        except duckdb.Error as error:
            raise CannotRebuild(told(error)) from None  # Its own words hold the login.


class _Rebuild:
    def __init__(
        self,
        session: psycopg.Connection[Any],
        writer: LakeWriter,
        table: str,
        progress: Callable[[int, int], None],
    ) -> None:
        self._session = session
        self._writer = writer
        self._table = table
        self._shadow = table + SUFFIX
        self._progress = progress
        self._folding = Folding(lambda streams, until: store.read_history(session, streams, until))
        self._position = 0
        self._rows: list[LakeRow] = []

    def run(self) -> int:
        lake = self._writer.connection
        lake.execute(f"drop table if exists {self._shadow}")
        lake.execute(definition(self._shadow, TABLES[self._table]))
        self._catch_up()
        with self._turn():
            self._catch_up()
            self._flush()
            old = self._writer.checkpoints()[self._table]
            lake.execute("begin")
            lake.execute(f"drop table {self._table}")
            lake.execute(f"alter table {self._shadow} rename to {self._table}")
            move(lake, {self._table: Moved(old, self._position)})
            crashpoint("rebuild-lake-before-commit")
            commit(lake)
        return self._position

    def _catch_up(self) -> None:
        """Up to the end of the log, as it is when nothing more is found."""
        while page := read_page(self._session, self._position, PAGE_EVENTS, PAGE_BYTES):
            found = self._folding.fold(page, {self._table: self._position})
            self._rows += found.get(self._table, [])
            self._position = page[-1].position
            if len(self._rows) >= ROWS_AT_ONCE:
                self._flush()
            self._progress(self._position, load_head(self._session))
            crashpoint("rebuild-lake-after-page")

    def _flush(self) -> None:
        insert(self._writer.connection, self._shadow, TABLES[self._table], self._rows)
        self._rows = []

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        with contextlib.ExitStack() as stack:
            while True:
                with contextlib.suppress(psycopg.errors.LockNotAvailable):
                    stack.enter_context(store.turn(self._session))
                    break
            yield
