"""`aviary serve`: embedded Postgres, the schema, the paper venue, the workers and the API.

Each is a child of one supervisor. What they must know of one another goes through their
environment.
"""

import os
import secrets
import socket
import sys
from collections.abc import Callable
from typing import NoReturn
from urllib.parse import urlsplit

from adapters.postgres.embedded import EmbeddedPostgres
from adapters.settings import Settings, without_secrets
from workers.running import names
from workers.running.child import Child, PostgresChild, Runnable
from workers.running.database import Dsns, dsns_of, publish, withdraw
from workers.running.supervisor import run

PAPER_FILE = "paper.sqlite"


class _Migration(Child):
    """The schema and the first events, once Postgres runs: only then are its logins known."""

    start_seconds: float | None = 600.0


def serve(settings: Settings, announce: Callable[[], None]) -> int:
    """Run until told to stop; `announce` is called when the API answers. Returns the exit code."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    environment = dict(os.environ) | {
        "AVIARY_HOST": settings.host,
        "AVIARY_PORT": str(settings.port),
        "AVIARY_DATA_DIR": str(settings.data_dir.absolute()),
    }
    owners = dict(environment)
    for name in ("AVIARY_MIGRATE_DATABASE_URL", "AVIARY_MIGRATE_DATABASE_URL_FILE"):
        environment.pop(name, None)  # Only the migration speaks as the owner.
    # Large batches, made by several threads: each would keep the memory of its largest.
    workers = {"MALLOC_ARENA_MAX": "2"} | environment
    if settings.lake_reader_dsn is not None:
        for name in ("AVIARY_LAKE_DSN", "AVIARY_LAKE_DSN_FILE"):
            environment.pop(name, None)  # The API reads the lake and no more.
    children: list[Runnable] = []
    if settings.database_url is None:
        server = EmbeddedPostgres(settings.data_dir)
        children.append(_Postgres(server, settings, environment, workers, owners))
    if settings.paper_url is None:
        children.append(_paper(settings, environment))
        workers |= environment
    children += [
        _Migration("migrate", [*_aviary_argv(), "migrate"], owners, restart=False),
        *_workers(settings, workers),
        _Api(settings, environment, announce),
    ]
    try:
        return run(children)
    finally:
        withdraw(settings.data_dir)


class _Postgres(PostgresChild):
    """Tells the other children where it is, as soon as that is known."""

    def __init__(
        self,
        server: EmbeddedPostgres,
        settings: Settings,
        environment: dict[str, str],
        workers: dict[str, str],
        owners: dict[str, str],
    ) -> None:
        super().__init__(server)
        self._settings = settings
        self._environment = environment
        self._workers = workers
        self._owners = owners

    def ready(self) -> bool:
        if not super().ready():
            return False
        dsns: Dsns = dsns_of(self._server)
        for environment in (self._environment, self._workers, self._owners):
            environment["DATABASE_URL"] = dsns.app
        self._owners["AVIARY_MIGRATE_DATABASE_URL"] = dsns.owner
        if self._settings.lake_dsn is None and self._settings.lake_reader_dsn is None:
            self._workers["AVIARY_LAKE_DSN"] = dsns.lake or ""
            self._environment["AVIARY_LAKE_READER_DSN"] = dsns.lake_reader or ""
        publish(self._settings.data_dir, dsns)
        return True


class _Api(Child):
    """The API; announces the whole once it answers for the first time."""

    def __init__(
        self, settings: Settings, environment: dict[str, str], announce: Callable[[], None]
    ) -> None:
        ready = settings.data_dir / "api.ready"
        super().__init__(
            "api", [*_aviary_argv(), "api", "--ready-file", str(ready)], environment, ready
        )
        self._announce: Callable[[], None] | None = announce

    def ready(self) -> bool:
        is_ready = super().ready()
        if is_ready and self._announce is not None:
            self._announce()
            self._announce = None
        return is_ready


def _workers(settings: Settings, environment: dict[str, str]) -> list[Runnable]:
    """All in one process but the lake's: its long computations would hold up the others."""
    wanted = names.configured(settings)
    others = [name for name in wanted if name != names.LAKE]
    children: list[Runnable] = [_aviary("workers", ["worker", *others], environment)]
    if names.LAKE in wanted:
        children.append(_aviary("lake", ["worker", names.LAKE], environment))
    return children


def _aviary_argv() -> list[str]:
    return [sys.executable, "-m", "aviary"]


def _aviary(
    name: str, arguments: list[str], environment: dict[str, str], *, restart: bool = True
) -> Child:
    return Child(name, [*_aviary_argv(), *arguments], environment, restart=restart)


def _paper(settings: Settings, environment: dict[str, str]) -> Child:
    """The venue keeps its address and its token for as long as this run lasts."""
    port = _free_port()
    token = secrets.token_urlsafe(32)
    environment["AVIARY_PAPER_URL"] = f"http://127.0.0.1:{port}"
    environment["AVIARY_PAPER_TOKEN"] = token
    environment.pop("AVIARY_PAPER_TOKEN_FILE", None)
    argv = paper_argv(settings, port)
    if sys.platform == "linux":
        argv += ["--exit-with-parent", str(os.getpid())]
    return Child("paper", argv, without_secrets(environment) | {"PAPER_TOKEN": token})


def paper_argv(settings: Settings, port: int) -> list[str]:
    """The paper venue's own process, with what the settings say of it."""
    argv = [
        *(sys.executable, "-m", "adapters.venues.paper", "--port", str(port)),
        *("--file", str(settings.data_dir / PAPER_FILE), "--speed", str(settings.paper_speed)),
    ]
    if settings.paper_candles is not None:
        argv += ["--candles", str(settings.paper_candles)]
    if settings.paper_faults:
        argv += ["--faults", settings.paper_faults]
    if settings.paper_test_mode:
        argv.append("--test-mode")
    return argv


def become_paper(settings: Settings) -> NoReturn:
    """Be the venue alone, at the port of its address."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    port = urlsplit(settings.paper_url or "").port or names.PAPER_PORT
    environment = without_secrets(os.environ) | {"PAPER_TOKEN": settings.paper_token or ""}
    sys.stderr.write(f"The paper venue listens at {settings.paper_host}:{port}\n")
    argv = [*paper_argv(settings, port), "--host", settings.paper_host]
    os.execve(sys.executable, argv, environment)  # noqa: S606 - our own program


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
