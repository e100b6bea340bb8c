"""Writes to the lake: rows of any tables with the checkpoints that say so, in one transaction.

A checkpoint moves by compare-and-set. DuckLake refuses the second of two commits that move one, so
of two writers that read the same old value one stores its batch and the other stores nothing.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec
import psycopg

from adapters.lake import tables
from adapters.lake.attach import LakeUnavailable, Place, attach, told
from commands.crashpoint import crashpoint
from workers.lake.columns import BadRow, Row, document, selection, structure

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

READER = "aviary_lake_reader"
Rows = Mapping[str, Sequence[Row]]
"""By table."""
_ROWS_AT_ONCE = 2000
"""In one statement: what DuckDB makes of a text is thirty times as large, and it keeps it."""
_STAGE = "rows_of_a_batch"


class CheckpointMoved(Exception):  # noqa: N818 - says what is so
    """Another writer was here: nothing of this batch is stored."""


class Moved(msgspec.Struct, frozen=True):
    """A checkpoint, compared and set."""

    old: int
    new: int


class LakeWriter:
    """One connection with the owner's login; makes the tables where they are missing."""

    def __init__(self, place: Place) -> None:
        try:
            _let_read(place.dsn)
        except psycopg.Error as error:
            said = " ".join(str(error).split())
            raise LakeUnavailable(
                f"The lake's catalogue cannot be reached: {said}. Where its database was never "
                "made: deploy/postgres/20-lake.sql makes it."
            ) from None
        import duckdb

        self.place = place
        try:
            self.connection: DuckDBPyConnection = attach(place, is_writer=True)
        except duckdb.Error as error:
            raise LakeUnavailable(f"The lake cannot be attached: {told(error)}") from None
        try:
            tables.create(self.connection)
        except BaseException:
            self.connection.close()
            raise

    def close(self) -> None:
        self.connection.close()

    def checkpoints(self) -> dict[str, int]:
        found = self.connection.execute("select projection, position from checkpoints").fetchall()
        return {str(name): int(position) for name, position in found}

    def save(self, rows: Rows, moved: Mapping[str, Moved]) -> None:
        """Raises CheckpointMoved, BadRow or duckdb.Error, and then nothing is stored."""
        self.connection.execute("begin")
        try:
            for table, added in rows.items():
                insert(self.connection, table, tables.TABLES[table], added)
                crashpoint("lake-after-rows")
            move(self.connection, moved)
            crashpoint("lake-before-commit")
        except BaseException:
            self.connection.execute("rollback")
            raise
        commit(self.connection)
        crashpoint("lake-after-commit")


def insert(
    connection: "DuckDBPyConnection",
    table: str,
    columns: Mapping[str, str],
    rows: Sequence[Row],
) -> None:
    """Raises BadRow, and then the transaction is of no use. Without rows nothing is done.

    One statement for all: DuckLake makes a file for each.
    """
    import duckdb

    if not rows:
        return
    shown, kinds = selection(columns), structure(columns)
    how = f"create or replace temp table {_STAGE} as"
    try:
        for begin in range(0, len(rows), _ROWS_AT_ONCE):
            text = document(columns, rows[begin : begin + _ROWS_AT_ONCE])
            connection.execute(f"{how} {shown}", [text, kinds])
            how = f"insert into {_STAGE}"
    except (duckdb.InvalidInputException, duckdb.ConversionException) as error:
        raise BadRow(told(error)) from None
    connection.execute(f"insert into {table} by name from temp.{_STAGE}")
    connection.execute(f"drop table temp.{_STAGE}")


def move(connection: "DuckDBPyConnection", moved: Mapping[str, Moved]) -> None:
    if not moved:
        return
    cases = " ".join(f"when '{name}' then {int(to.new)}" for name, to in moved.items())
    olds = ", ".join(f"('{name}', {int(to.old)})" for name, to in moved.items())
    found = connection.execute(
        f"""update checkpoints set position = case projection {cases} end
        where (projection, position) in ({olds})"""
    ).fetchone()
    if found is None or found[0] != len(moved):
        raise CheckpointMoved(f"Expected the lake's checkpoints {olds}; another one moved them.")


def commit(connection: "DuckDBPyConnection") -> None:
    import duckdb

    try:
        connection.execute("commit")
    except duckdb.TransactionException as error:
        if "conflict" not in str(error).lower():
            raise
        raise CheckpointMoved(f"Another writer was faster: {told(error)}") from None


def _let_read(dsn: str) -> None:
    """The reading login may select from every table that DuckLake makes, now and later."""
    with psycopg.connect(dsn, autocommit=True, connect_timeout=3) as catalogue:
        found = catalogue.execute("select from pg_roles where rolname = %s", (READER,))
        if found.rowcount:
            catalogue.execute(
                "alter default privileges in schema public grant select on tables to "
                f"{READER}".encode()
            )
            catalogue.execute(f"grant select on all tables in schema public to {READER}".encode())
