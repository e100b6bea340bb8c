"""Bring a database to the schema of this code, one numbered file and one transaction at a time.

Files are `NNNN_pre_name.sql` (safe while the old code still runs) or `NNNN_post_name.sql` (after
it has gone), numbered without gaps and applied strictly in that order. What was applied is kept
with its hash in `schema_migrations`. A database may be ahead of this code by `pre` files only:
that is the state between the two halves of a release.
"""

import hashlib
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import psycopg
from msgspec import Struct
from psycopg.pq import TransactionStatus

Phase = Literal["pre", "post", "all"]

_NAME = re.compile(r"([0-9]{4})_(pre|post)_[a-z0-9_]+\.sql")
_LOCK_KEY = 7_310_244_113  # any constant of our own
_LOCK_TIMEOUT = "30s"
_APPLIED = "select number, name, sha256 from schema_migrations order by number"
_TABLE = """
create table if not exists schema_migrations (
  number integer primary key,
  name text not null,
  sha256 text not null,
  applied_at timestamptz not null default now()
)
"""


class MigrationError(Exception):
    """The schema was left as it was before the file that str() names."""


class _File(Struct, frozen=True):
    number: int
    phase: str
    name: str
    sql: str
    sha256: str


def migrate(dsn: str, folder: Path, phase: Phase = "all") -> list[str]:
    """Apply what is missing and return the names of the applied files.

    Phase `pre` or `post` applies the next files of that kind and refuses when one of the other
    kind has to come first.
    """
    files = _files(folder)
    with _connected(dsn) as connection:
        connection.execute("select set_config('lock_timeout', %s, false)", (_LOCK_TIMEOUT,))
        try:
            connection.execute("select pg_advisory_lock(%s)", (_LOCK_KEY,))
        except psycopg.errors.LockNotAvailable:
            raise MigrationError(
                f"Another migration has been running for {_LOCK_TIMEOUT}. Wait for it and retry."
            ) from None
        _execute(connection, _File(0, "pre", "schema_migrations", _TABLE, ""), record=False)
        wanted = _in_phase(_missing(files, connection.execute(_APPLIED).fetchall()), phase)
        for file in wanted:
            _execute(connection, file, record=True)
    return [file.name for file in wanted]


def pending(dsn: str, folder: Path) -> list[str]:
    """Return the names of the files that `migrate` would apply; changes nothing."""
    files = _files(folder)
    with _connected(dsn) as connection:
        try:
            applied = connection.execute(_APPLIED).fetchall()
        except psycopg.errors.UndefinedTable:
            applied = []
    return [file.name for file in _missing(files, applied)]


def _files(folder: Path) -> list[_File]:
    found: list[_File] = []
    for path in sorted(folder.glob("*.sql")):
        match = _NAME.fullmatch(path.name)
        if match is None:
            raise MigrationError(f"{path} is not named NNNN_pre_name.sql or NNNN_post_name.sql.")
        content = path.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        found.append(_File(int(match[1]), match[2], path.name, content.decode(), digest))
    for expected, file in enumerate(found, start=1):
        if file.number < expected:
            raise MigrationError(f"{found[expected - 2].name} and {file.name} share a number.")
        if file.number > expected:
            raise MigrationError(f"{folder} has {file.name} but no file number {expected:04d}.")
    if not found:
        raise MigrationError(f"{folder.absolute()} holds no migrations.")
    return found


def _missing(files: Sequence[_File], applied: Sequence[tuple[Any, ...]]) -> Sequence[_File]:
    """Check the applied files against the folder and return the rest."""
    for index, (number, name, sha256) in enumerate(applied):
        if number != index + 1:
            raise MigrationError(
                f"The database has migration {name} but not number {index + 1:04d}. "
                "Its record was changed by hand; restore schema_migrations."
            )
        if index >= len(files):
            if "_post_" in name:
                raise MigrationError(
                    f"The database is newer than this code: {name} was applied and is not here. "
                    "Run the newer code."
                )
        elif name != files[index].name or sha256 != files[index].sha256:
            raise MigrationError(
                f"{files[index].name} is not what was applied as {name} (sha256 "
                f"{sha256[:12]}..., now {files[index].sha256[:12]}...). "
                "Restore the file and put the change into a new one."
            )
    return files[len(applied) :]


def _in_phase(missing: Sequence[_File], phase: Phase) -> Sequence[_File]:
    """Return the leading files of the phase; refuse to pass over one of the other."""
    if phase == "all":
        return missing
    count = next((i for i, file in enumerate(missing) if file.phase != phase), len(missing))
    if behind := next((file for file in missing[count:] if file.phase == phase), None):
        raise MigrationError(
            f"{behind.name} comes after {missing[count].name}, which is of the other phase and "
            "has not been applied. Stop the old code and migrate all."
        )
    return missing[:count]


@contextmanager
def _connected(dsn: str) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    try:
        connection = psycopg.connect(dsn, autocommit=True, connect_timeout=5)
    except psycopg.Error as error:
        reason = " ".join(str(error).split())
        raise MigrationError(f"The database cannot be reached: {reason}") from None
    try:
        with connection:
            yield connection
    except psycopg.OperationalError as error:
        reason = " ".join(str(error).split())
        raise MigrationError(f"The database went away: {reason}. Run it again.") from error


def _execute(connection: psycopg.Connection[Any], file: _File, *, record: bool) -> None:
    """Run one file in one transaction, with its record."""
    try:
        with connection.transaction():
            connection.execute(file.sql.encode())
            if connection.info.transaction_status != TransactionStatus.INTRANS:
                raise MigrationError(
                    f"{file.name} ends its own transaction: take commit and rollback out of it, "
                    "and see what it has left in this database."
                )
            if record:
                connection.execute(
                    "insert into schema_migrations (number, name, sha256) values (%s, %s, %s)",
                    (file.number, file.name, file.sha256),
                )
    except psycopg.Error as error:
        if connection.closed:
            raise
        raise MigrationError(f"{file.name}{_place(file.sql, error)}: {_reason(error)}") from error


def _place(text: str, error: psycopg.Error) -> str:
    """Return ` line L column C` where the server says where."""
    if not error.diag.statement_position:
        return ""
    before = text[: int(error.diag.statement_position) - 1]
    return f" line {before.count(chr(10)) + 1} column {len(before) - before.rfind(chr(10))}"


def _reason(error: psycopg.Error) -> str:
    parts = (error.diag.message_primary, error.diag.message_detail, error.diag.message_hint)
    return " ".join(part for part in (*parts, error.diag.context) if part) or str(error)
