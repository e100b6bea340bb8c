"""The process that runs an analyst's queries, one after another: started by sandbox.py alone.

It gets its instructions as lines on standard input, the login of the catalogue with the first,
and answers each with a line that says what follows and then the bytes. It has no environment and
no other descriptors, sees the lake through a locked DuckDB, and ends when its parent does.
"""

import os
import sys
import threading
from typing import TYPE_CHECKING, BinaryIO

import msgspec
from msgspec import Struct
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from adapters.lake import sandbox_formats as formats
from adapters.lake import sandbox_walls as walls
from adapters.lake.attach import (
    LakeUnavailable,
    ObjectStore,
    Place,
    attach,
    extension_path,
    without_login,
)
from adapters.lake.sandbox_rules import NotAllowed, tables_of
from adapters.lake.tables import FOLDED

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

ADDRESS_MB_MORE = 2048
"""Of address space, beyond what DuckDB may use: its code, stacks and buffers, and Arrow's."""
_SPILL_MB = 1024
_POSTGRES_PORT = 5432
_TEXT_MAX = 2000
_GRACE_SECONDS = 1.0
_THREADS = 2
_LOCKED = (
    "set enable_external_access = false",
    "set allow_community_extensions = false",
    "set python_enable_replacements = false",
    "set python_scan_all_frames = false",
    "set enable_progress_bar = false",
    "set max_expression_depth = 250",
    "set lock_configuration = true",
)
_NOT_ATTACHED = "Its catalogue cannot be reached, or holds no lake. `aviary doctor` says more."
_CHECKPOINTS = "select projection, position from checkpoints"
_FOLDED_OR_EXPORTED = frozenset({*FOLDED, "events"})


class Setup(Struct, frozen=True):
    """The first line."""

    dsn: str
    data: str
    own_folder: str
    memory_mb: int
    store: ObjectStore


class Asked(Struct, frozen=True):
    sql: str
    format: str
    rows_max: int
    bytes_max: int
    seconds: float


class Said(Struct, frozen=True, kw_only=True):
    """What precedes the bytes of an answer."""

    kind: str
    """ok, ready, refused, query, bytes, seconds, memory or unavailable."""
    text: str = ""
    size: int = 0
    row_count: int = 0
    cut_by: str | None = None
    position: int = 0
    is_enclosed: bool = False


def main() -> None:
    given, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123
        os.dup2(nowhere.fileno(), 1)  # What DuckDB prints is no answer.
    setup = msgspec.json.decode(given.readline(), type=Setup)
    import duckdb

    folder = setup.own_folder
    is_remote = setup.data.startswith("s3://")
    readable = [os.path.dirname(extension_path(name)) for name in ("ducklake", "postgres_scanner")]  # noqa: PTH120
    try:
        is_enclosed = walls.enclose(
            [*readable, *([] if is_remote else [setup.data]), *_certificates(setup.dsn)],
            folder,
            _ports(setup),
            setup.memory_mb + ADDRESS_MB_MORE,
            _SPILL_MB,
        )
        connection = _opened(setup)
    except (LakeUnavailable, OSError) as error:
        _say(answers, Said(kind="unavailable", text=_scrubbed(str(error), setup)))
        return
    except (duckdb.Error, MemoryError):
        # DuckDB tells the whole login, and a server whom it knows by what names.
        _say(answers, Said(kind="unavailable", text=_NOT_ATTACHED))
        return
    _say(answers, Said(kind="ready", is_enclosed=is_enclosed))
    while line := given.readline():
        asked = msgspec.json.decode(line, type=Asked)
        said, body = _answered(connection, asked, setup)
        _say(answers, said, body)
        if said.kind in ("unavailable", "memory", "seconds"):
            return  # What is left of it is not trusted with another query.


def _opened(setup: Setup) -> "DuckDBPyConnection":
    place = Place(setup.dsn, setup.data, setup.own_folder, setup.memory_mb, setup.store)
    connection = attach(place)
    own = f"{setup.own_folder}/"
    connection.execute(f"set home_directory = '{own}'")
    connection.execute(f"set max_temp_directory_size = '{_SPILL_MB}MB'")
    listed = ", ".join("'" + path.replace("'", "''") + "'" for path in (setup.data, own))
    connection.execute(f"set allowed_directories = [{listed}]")
    for statement in _LOCKED:
        connection.execute(statement)
    return connection


def _answered(connection: "DuckDBPyConnection", asked: Asked, setup: Setup) -> tuple[Said, bytes]:
    import duckdb

    walls.limit_processor(int(asked.seconds * _THREADS) + 5)
    is_late = threading.Event()

    def interrupt() -> None:
        is_late.set()
        connection.interrupt()

    def leave() -> None:
        os._exit(3)

    timers = [
        threading.Timer(asked.seconds, interrupt),
        threading.Timer(asked.seconds + _GRACE_SECONDS, leave),
    ]
    for timer in timers:
        timer.daemon = True
        timer.start()
    try:
        return _run(connection, asked)
    except NotAllowed as error:
        return Said(kind="refused", text=str(error)), b""
    except formats.TooWide:
        return Said(kind="bytes"), b""
    except duckdb.InterruptException:
        return Said(kind="seconds"), b""
    except (duckdb.OutOfMemoryException, MemoryError):
        return Said(kind="memory"), b""
    except (duckdb.Error, ValueError, OverflowError, RuntimeError) as error:
        if is_late.is_set():
            return Said(kind="seconds"), b""
        if "bad_alloc" in str(error) or "malloc" in str(error):
            return Said(kind="memory"), b""
        kind = "unavailable" if _is_of_the_lake(error) else "query"
        return Said(kind=kind, text=_scrubbed(str(error), setup)), b""
    finally:
        for timer in timers:
            timer.cancel()


def _run(connection: "DuckDBPyConnection", asked: Asked) -> tuple[Said, bytes]:
    named = tables_of(connection, asked.sql)
    connection.execute("begin transaction read only")
    try:
        positions = dict(connection.execute(_CHECKPOINTS).fetchall())
        concerned = (named & _FOLDED_OR_EXPORTED) or frozenset(FOLDED)
        position = min(int(positions.get(name, 0)) for name in concerned)
        result = connection.execute(asked.sql)
        limits = formats.Limits(asked.rows_max, asked.bytes_max)
        made = formats.made(result, asked.format, limits, position)
    finally:
        connection.execute("rollback")
    said = Said(
        kind="ok",
        size=len(made.body),
        row_count=made.row_count,
        cut_by=made.cut_by,
        position=position,
    )
    return said, made.body


def _is_of_the_lake(error: Exception) -> bool:
    import duckdb

    at_fault = (
        duckdb.IOException,
        duckdb.HTTPException,
        duckdb.SerializationException,
        duckdb.ConnectionException,
        duckdb.TransactionException,
        duckdb.FatalException,
    )
    text = str(error)
    return isinstance(error, at_fault) or any(
        sign in text for sign in (".parquet", "DuckLake", "__ducklake_metadata")
    )


def _scrubbed(text: str, setup: Setup) -> str:
    """Without logins, addresses and paths; what an analyst wrote stays."""
    login = {name: str(value) for name, value in conninfo_to_dict(setup.dsn).items() if value}
    hidden = {setup.dsn, setup.own_folder, setup.data, setup.data.rstrip("/")}
    hidden |= {setup.store.key_id, setup.store.secret}
    for name, value in login.items():
        pair = make_conninfo(**{name: value})  # As DuckDB was given it, quoted and escaped.
        hidden.add(pair)
        if name in ("password", "host", "hostaddr"):
            hidden |= {value, pair.partition("=")[2]}
        elif name in ("user", "dbname"):
            hidden.add(f'"{value}"')  # As Postgres names a user and a database.
        elif name == "port":
            hidden.add(f"port {value}")
    text = without_login(text)
    for value in sorted(hidden - {""}, key=len, reverse=True):
        text = text.replace(value, "***")
    return text.strip()[:_TEXT_MAX]


def _ports(setup: Setup) -> set[int]:
    """Of the catalogue, and of the store of files where that is not a folder."""
    port = conninfo_to_dict(setup.dsn).get("port")
    ports = {int(one) for one in str(port or _POSTGRES_PORT).split(",")}
    if setup.data.startswith("s3://"):
        scheme, _, address = setup.store.endpoint.rpartition("://")
        given = address.rpartition(":")[2]
        ports.add(int(given) if given.isdigit() else 80 if scheme == "http" else 443)
    return ports


def _certificates(dsn: str) -> list[str]:
    login = conninfo_to_dict(dsn)
    return [str(login[name]) for name in ("sslrootcert", "sslcert", "sslkey") if login.get(name)]


def _say(answers: BinaryIO, said: Said, body: bytes = b"") -> None:
    answers.write(msgspec.json.encode(said) + b"\n" + body)
    answers.flush()


if __name__ == "__main__":
    main()
