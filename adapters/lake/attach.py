"""Connections to the lake: DuckDB in this process, its extensions loaded from installed wheels.

DuckDB is imported on first use. Nothing is ever fetched: an extension that is not installed is an
error. Messages of DuckDB hold the catalogue's whole login, so none leaves here without `told`.
"""

import importlib.util
import re
import uuid
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from adapters.lake.spill import OwnFolder
from adapters.settings import Settings

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

NAME = "lake"
"""As what it is attached: its tables are lake.main.trades, ..."""
INLINED_ROWS_MAX = 2000
"""Smaller inserts stay in the catalogue until they are flushed together into one Parquet file."""
_THREADS = 2
_SPILL = "4GB"
_FOLDERS = "duckdb-"
_TCP = {
    "connect_timeout": "3",
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "2",
    "tcp_user_timeout": "5000",
    "application_name": "aviary-lake",
}
# What a frozen process holds in the catalogue is let go by the server. A merge of large files is
# silent inside its transaction for as long as it computes.
_WRITING = "-c idle_in_transaction_session_timeout=60000 -c lock_timeout=10000"
_READING = "-c statement_timeout=30000 -c idle_in_transaction_session_timeout=120000"
_LOGIN = re.compile(r'"[^"]*password=\*\*\*[^"]*"')
_SECRET = re.compile(r"password=(?:'(?:[^'\\]|\\.)*'|\S*)")


class LakeUnavailable(Exception):  # noqa: N818 - says what is so
    """The lake cannot be read now; str() says why and what to do. Nothing of a login is in it."""


class ObjectStore(Struct, frozen=True):
    """Where s3:// leads; empty fields are DuckDB's own defaults."""

    key_id: str = ""
    secret: str = ""
    region: str = ""
    endpoint: str = ""


class Place(Struct, frozen=True):
    """A lake, and what one process may use for it."""

    dsn: str
    """Of the catalogue; the login says what may be done."""
    data: str
    """A folder, or s3://..., with a slash at its end."""
    spill: str
    """The folder in which each DuckDB has one of its own for what large queries spill."""
    memory_mb: int = 512
    store: ObjectStore = ObjectStore()
    is_shared: bool = True
    """False where no one else's files can be among the data: in our own data folder."""

    @property
    def is_local(self) -> bool:
        return not self.data.startswith("s3://")

    def __repr__(self) -> str:
        return f"Place(data={self.data!r})"


def place_for_writing(settings: Settings) -> Place | None:
    """None where no lake is configured."""
    return _place(settings, settings.lake_dsn)


def place_for_reading(settings: Settings) -> Place | None:
    """None where no lake is configured. The writer's login is taken where there is no other."""
    return _place(settings, settings.lake_reader_dsn or settings.lake_dsn)


def _place(settings: Settings, dsn: str | None) -> Place | None:
    if dsn is None:
        return None
    folder = settings.data_dir.absolute()
    data = settings.lake_data or str(folder / "lake")
    return Place(
        dsn,
        data.rstrip("/") + "/",
        str(folder / "lake-spill"),
        settings.lake_memory_mb,
        ObjectStore(
            settings.lake_store_key_id,
            settings.lake_store_secret or "",
            settings.lake_store_region,
            settings.lake_store_endpoint,
        ),
        is_shared=bool(settings.lake_data),
    )


def attach(place: Place, *, is_writer: bool = False) -> "DuckDBPyConnection":
    """Return a DuckDB of its own with the lake in it. Raises duckdb.Error.

    Close it; its folder for spilling goes with the last reference to what is returned.
    """
    connection = _opened(place)
    try:
        for extension in ("postgres_scanner", "ducklake"):
            connection.execute(f"load {_quoted(extension_path(extension))}")
        if place.data.startswith("s3://"):
            connection.execute(f"load {_quoted(extension_path('httpfs'))}")
            connection.execute(_secret_of(place.store))
        options = [
            f"data_path {_quoted(place.data)}",
            "override_data_path true",  # The folder may have been moved with all that is in it.
            f"data_inlining_row_limit {INLINED_ROWS_MAX}",
        ]
        if not is_writer:
            options.append("read_only")
        catalogue = _quoted(f"ducklake:postgres:{_conninfo(place.dsn, is_writer=is_writer)}")
        connection.execute(f"attach {catalogue} as {NAME} ({', '.join(options)})")
        connection.execute(f"use {NAME}")
    except BaseException:
        connection.close()
        raise
    return connection


def _opened(place: Place) -> "DuckDBPyConnection":
    import duckdb

    try:
        folder = OwnFolder(Path(place.spill), _FOLDERS)
        path = folder.path
    except OSError:
        # Queries that spill nothing need no folder; one that spills says that it has none.
        folder, path = None, f"{place.spill}/{_FOLDERS}{uuid.uuid4().hex}"
    try:
        connection = duckdb.connect(
            ":memory:",
            config={
                "memory_limit": f"{place.memory_mb}MB",
                "threads": _THREADS,
                "temp_directory": path,
                "max_temp_directory_size": _SPILL,
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
            },
        )
    except BaseException:
        if folder is not None:
            folder.remove()
        raise
    if folder is not None:
        weakref.finalize(connection, folder.remove)
    return connection


def extension_path(name: str) -> str:
    """The file of an installed extension, made for exactly this DuckDB."""
    import duckdb

    package = f"duckdb_extension_{name}"
    found = importlib.util.find_spec(package)
    folders = (found.submodule_search_locations if found else None) or []
    for folder in folders:
        path = Path(folder, "extensions", f"v{duckdb.__version__}", f"{name}.duckdb_extension")
        if path.exists():
            return str(path)
    wheel = package.replace("_", "-")
    raise LakeUnavailable(
        f"DuckDB {duckdb.__version__} finds no extension {name} made for it. Install the wheel "
        f"{wheel}=={duckdb.__version__}."
    )


def told(error: BaseException) -> str:
    """The first line of what DuckDB says, without the catalogue's login."""
    return (without_login(str(error)).strip().splitlines() or [""])[0][:300]


def without_login(text: str) -> str:
    """DuckDB repeats the login as it was given to it, with quotes and escapes."""
    return _LOGIN.sub("its catalogue", _SECRET.sub("password=***", text))


def _conninfo(dsn: str, *, is_writer: bool) -> str:
    """As key=value: DuckDB passes it on, and quotes nothing."""
    given: dict[str, Any] = {**_TCP, **conninfo_to_dict(dsn)}
    given["options"] = f"{given.get('options', '')} {_WRITING if is_writer else _READING}".strip()
    return make_conninfo(**given)


def _secret_of(store: ObjectStore) -> str:
    fields = {
        "key_id": store.key_id,
        "secret": store.secret,
        "region": store.region,
        "endpoint": store.endpoint.partition("://")[2] or store.endpoint,
    }
    given = "".join(f", {name} {_quoted(value)}" for name, value in fields.items() if value)
    if store.endpoint:
        # Stores of other makers are addressed by path; only they may go without TLS.
        given += ", url_style 'path'"
        given += f", use_ssl {str(not store.endpoint.startswith('http://')).lower()}"
    return f"create secret (type s3{given})"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
