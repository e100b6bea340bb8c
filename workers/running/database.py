"""Where the database is: the given one, the one that `serve` runs, or one started for a moment."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import psycopg
from msgspec import Struct, structs
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from adapters.postgres import bootstrap
from adapters.postgres.connect import connect
from adapters.postgres.embedded import EmbeddedPostgres
from adapters.postgres.migrate import migrate
from adapters.settings import Settings

MIGRATIONS = Path(__file__).parent.parent.parent / "migrations"


class Dsns(Struct, frozen=True):
    app: str
    """The application's login, which owns nothing and takes the role that its work needs."""
    owner: str
    """The owner's login: migrations and rebuilds."""
    lake: str | None = None
    """The lake's owner, who alone writes to it; None where there is no lake."""
    lake_reader: str | None = None


def dsns_of(server: EmbeddedPostgres) -> Dsns:
    return Dsns(
        server.dsn("app"),
        server.dsn("owner"),
        server.dsn("lake", bootstrap.LAKE),
        server.dsn("lake_reader", bootstrap.LAKE),
    )


def settled(settings: Settings, dsns: Dsns) -> Settings:
    """The settings with these logins; a lake that was given is kept."""
    own = settings.lake_dsn, settings.lake_reader_dsn
    lake, lake_reader = own if any(own) else (dsns.lake, dsns.lake_reader)
    return structs.replace(
        settings, database_url=dsns.app, lake_dsn=lake, lake_reader_dsn=lake_reader
    )


@contextlib.contextmanager
def database(settings: Settings) -> Iterator[Dsns]:
    """Yield logins to a running database. Raises EmbeddedPostgresError where none can run."""
    if settings.database_url is not None:
        owner = settings.migrate_database_url or settings.database_url
        yield Dsns(settings.database_url, owner, settings.lake_dsn, settings.lake_reader_dsn)
        return
    running = find_running(settings.data_dir)
    if running is not None:
        yield running
        return
    with EmbeddedPostgres(settings.data_dir) as server:
        yield dsns_of(server)


def publish(data_dir: Path, dsns: Dsns) -> None:
    """Let the command line find the server that `serve` runs."""
    path = _path(data_dir)
    draft = path.with_suffix(".new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.encode(dsns))
    draft.rename(path)


def withdraw(data_dir: Path) -> None:
    _path(data_dir).unlink(missing_ok=True)


def migrate_for(dsns: Dsns) -> list[str]:
    """Apply missing migrations as the owner, granting our roles to the application's login."""
    login = str(conninfo_to_dict(dsns.app).get("user") or "")
    options = f"-c aviary.app_login={login}"
    return migrate(make_conninfo(dsns.owner, options=options), MIGRATIONS)


def _path(data_dir: Path) -> Path:
    return data_dir / "secrets" / "running.json"


def find_running(data_dir: Path) -> Dsns | None:
    """The published logins, if a server answers to them: a file alone proves nothing."""
    try:
        dsns = msgspec.json.decode(_path(data_dir).read_bytes(), type=Dsns)
    except FileNotFoundError:
        return None
    try:
        connect(dsns.app, "", autocommit=True).close()
    except psycopg.OperationalError:
        return None
    return dsns
