"""A real Postgres server from a wheel, run as our own foreground child.

It shuts down cleanly when we stop it and also when we are killed (its death signal is SIGINT), so
`start` and `launch` belong to the main thread. Started as root it serves its directory
as a system user and addresses it as `/proc/self/cwd`: a working directory entered before the user
changes stays usable even below a folder such as /root that this user may not walk through.
Recovery after a crash is Postgres' own work at the next start.
"""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Literal, Self
from urllib.parse import quote

import psycopg

from adapters.postgres import bootstrap, data_directory
from adapters.postgres.initdb import address, complaint, environment, initialise
from adapters.postgres.installation import EmbeddedPostgresError, binaries, service_user
from adapters.spawn import spawn

Role = Literal["owner", "app", "lake", "lake_reader", "superuser"]
StopMode = Literal["fast", "immediate", "smart"]

_SETTINGS = {
    "shared_buffers": "128MB",
    "max_wal_size": "2GB",
    "wal_compression": "pglz",  # the wheel is built without lz4 and zstd
    "jit": "off",
    "max_connections": "100",
    "synchronous_commit": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    "unix_socket_permissions": "0700",
}
_SIGNALS = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}
_LOGINS: dict[Role, str] = {
    "owner": bootstrap.OWNER,
    "app": bootstrap.APP,
    "lake": bootstrap.LAKE_OWNER,
    "lake_reader": bootstrap.LAKE_READER,
    "superuser": "postgres",
}
_POLL_SECONDS = 0.01
_PORT_ATTEMPTS = 3


class EmbeddedPostgres:
    """One server on `data_dir`/postgres.

    With port 0 a free one is chosen and kept for later starts. `settings` are server settings that
    replace or join ours.
    """

    def __init__(
        self, data_dir: Path, port: int = 0, settings: Mapping[str, str] | None = None
    ) -> None:
        self.data_dir = data_dir.absolute()
        self.port = port
        self._wanted_port = port
        self._settings = _SETTINGS | dict(settings or {})
        self._process: subprocess.Popen[bytes] | None = None
        self._ready = False
        self._user: tuple[int, int] | None = None
        self._sockets: Path | None = None
        self._log_start = 0

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    def start(self, timeout_seconds: float = 600.0) -> Self:
        """Launch and wait until the roles and the database are there.

        The time is generous because recovery after a crash must be let finish; a server that
        cannot start ends at once.
        """
        for attempt in range(1, _PORT_ATTEMPTS + 1):
            try:
                self.launch()
                self._wait(time.monotonic() + timeout_seconds)
            except BaseException as error:
                self.stop("immediate")
                lost_race = not self._wanted_port and "could not bind" in str(error)
                if not lost_race or attempt == _PORT_ATTEMPTS:
                    raise
            else:
                break
        return self

    def _wait(self, deadline: float) -> None:
        while not self.ready():
            if time.monotonic() > deadline:
                raise EmbeddedPostgresError(f"Postgres is not ready: {self._last_complaint()}")
            time.sleep(_POLL_SECONDS)

    def launch(self) -> None:
        """Start the server process, making the directory at first use; `ready` tells the rest."""
        if self.poll() is None:
            self._end("immediate", timeout_seconds=10.0)
        try:
            self._launch()
        except OSError as error:
            raise EmbeddedPostgresError(
                f"The embedded Postgres cannot use {error.filename or self.data_dir}: "
                f"{error.strerror or error}."
            ) from error

    def _launch(self) -> None:
        for folder in (self.data_dir, self.data_dir / "logs"):
            folder.mkdir(parents=True, exist_ok=True)
        lock = data_directory.lock(self.data_dir / "postgres.lock")
        try:
            data = self.data_dir / "postgres"
            self._user = service_user(data)
            programs = binaries(self._user)
            if not (data / "PG_VERSION").exists():
                initialise(programs, data, self._user, self._secret("superuser"), lock)
            data_directory.discard_foreign_pid_files(data)
            self.port = self._choose_port()
            if self._sockets is None or not self._sockets.exists():
                self._sockets = data_directory.socket_folder(data, self.port, self._user)
            self._run(programs, data, lock)
        finally:
            os.close(lock)  # From here only the server's own processes hold it.

    def _choose_port(self) -> int:
        """Return the port; once chosen it stays, because others hold addresses made of it."""
        if not self.port:
            return data_directory.remembered_port(self.data_dir / "postgres.port")
        if not data_directory.is_free(self.port):
            raise EmbeddedPostgresError(
                f"Port {self.port} on 127.0.0.1 is taken. Stop what listens there, or choose "
                "another port."
            )
        return self.port

    def _run(self, programs: Path, data: Path, lock: int) -> None:
        log = self.data_dir / "logs/postgres.log"
        data_directory.rotate(log)
        options = [part for item in self._settings.items() for part in ("-c", "=".join(item))]
        sockets = "." if self._sockets == data else str(self._sockets)
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "ab") as output:
            self._log_start = log.stat().st_size
            self._ready = False
            self._process = spawn(
                [
                    *(str(programs / "postgres"), "-D", address(data, self._user), "-k", sockets),
                    *("-h", "127.0.0.1", "-p", str(self.port), *options),
                ],
                death_signal=signal.SIGINT,
                user=self._user,
                cwd=data,
                env=environment(),
                output=output,
                pass_fds=(lock,),
            )

    def ready(self) -> bool:
        """Whether the server takes commands; raises EmbeddedPostgresError when it has ended."""
        if self._ready:
            return True
        if self.poll() is not None:
            raise EmbeddedPostgresError(f"Postgres did not start: {self._last_complaint()}")
        try:
            lines = (self.data_dir / "postgres/postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        if len(lines) < 8 or lines[0] != str(self.pid) or lines[7].strip() != "ready":  # noqa: PLR2004
            return False
        passwords = {
            login: self._secret(role) for role, login in _LOGINS.items() if role != "superuser"
        }
        try:
            bootstrap.ensure_roles(self.dsn("superuser", "postgres"), passwords)
        except psycopg.Error as error:
            told = " ".join(str(error).split())
            raise EmbeddedPostgresError(
                f"Postgres runs, but its roles could not be set up: {told}. Passwords are kept in "
                f"{self.data_dir / 'secrets'}, which belongs together with this database."
            ) from error
        self._ready = True
        return True

    def poll(self) -> int | None:
        """Return None while the server process runs, else how it ended (also if never started)."""
        data_directory.rotate(self.data_dir / "logs/postgres.log")
        return 0 if self._process is None else self._process.poll()

    def request_stop(self, mode: StopMode = "fast") -> None:
        """Signal the server to shut down, without waiting."""
        if self._process is not None:
            self._process.send_signal(_SIGNALS[mode])

    def stop(self, mode: StopMode = "fast", timeout_seconds: float = 30.0) -> None:
        """Shut down and wait: `smart` waits for clients, `fast` ends them, `immediate` crashes."""
        self._end(mode, timeout_seconds)
        self.port = self._wanted_port
        if self._sockets is not None and self._sockets.parent == Path("/tmp"):  # noqa: S108
            shutil.rmtree(self._sockets, ignore_errors=True)
        self._sockets = None

    def _end(self, mode: StopMode, timeout_seconds: float) -> None:
        if self._process is None:
            return
        steps: list[tuple[StopMode, float]] = [(mode, timeout_seconds), ("immediate", 10.0)]
        for step, seconds in steps:
            self._process.send_signal(_SIGNALS[step])
            try:
                self._process.wait(seconds)
                break
            except subprocess.TimeoutExpired:
                continue
        else:
            self._process.kill()
            self._process.wait()
        self._process = None
        self._ready = False

    def dsn(self, role: Role, database: str = bootstrap.DATABASE) -> str:
        """Return a connection URI over the Unix socket; it holds the role's password."""
        if self._sockets is None:
            raise EmbeddedPostgresError("The embedded Postgres has not been started.")
        host = quote(str(self._sockets), safe="")
        login = f"{_LOGINS[role]}:{quote(self._secret(role), safe='')}"
        return f"postgresql://{login}@/{quote(database)}?host={host}&port={self.port}"

    def _secret(self, role: Role) -> str:
        return data_directory.secret(self.data_dir / "secrets", f"postgres_{role}")

    def _last_complaint(self) -> str:
        log = self.data_dir / "logs/postgres.log"
        with log.open("rb") as file:
            file.seek(self._log_start)
            return f"{complaint(file.read(65536).decode(errors='replace'))} (log: {log})"

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
