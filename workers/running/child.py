"""What the supervisor can run: a program in a process of its own, or the embedded Postgres."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Protocol

from adapters.postgres.embedded import EmbeddedPostgres
from adapters.postgres.installation import EmbeddedPostgresError
from adapters.spawn import spawn

_LAST_LINES = 20


class StartError(Exception):
    """A child ended before it was ready; str() holds its last words."""


class Runnable(Protocol):
    """One supervised process. No method waits long; all are called from the main thread."""

    name: str
    restart: bool
    start_seconds: float | None  # how long a start may take; None for the supervisor's limit

    def start(self) -> None: ...

    def ready(self) -> bool:
        """Whether it does its work; raises StartError when it has ended instead."""

    def poll(self) -> int | None:
        """Return None while it runs, else its exit code; 0 when it was never started."""

    def terminate(self) -> None:
        """Ask it to stop in good order."""

    def kill(self) -> None:
        """Make it stop now; asked twice, without any order."""

    def close(self) -> None:
        """Let go of what an ended process leaves behind."""


class Child:
    """A program. `argv` begins with an absolute path; `env` None is our own environment.

    It is ready when `ready` says so (a callable, or a file that it writes), without one as soon as
    it runs. With `restart` False it is expected to end, and a clean end is what makes it ready when
    nothing else was named. Its output is shown on our standard error as it comes.
    """

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        env: Mapping[str, str] | None = None,
        ready: Callable[[], bool] | Path | None = None,
        *,
        restart: bool = True,
    ) -> None:
        self.name = name
        self.restart = restart
        self.start_seconds: float | None = None
        self._argv = argv
        self._env = env
        self._ready = ready
        self._process: subprocess.Popen[bytes] | None = None
        self._pump: threading.Thread | None = None
        self._lines: deque[bytes] = deque(maxlen=_LAST_LINES)

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        if isinstance(self._ready, Path):
            self._ready.unlink(missing_ok=True)
        self.close()
        self._lines.clear()
        try:
            self._process = spawn(
                self._argv, death_signal=signal.SIGTERM, env=self._env, output=subprocess.PIPE
            )
        except OSError as error:
            raise StartError(f"no process could be made: {error.strerror}") from error
        assert self._process.stdout is not None  # noqa: S101 - output=PIPE
        # A thread, because a full pipe would stop the child while we wait for another one.
        self._pump = threading.Thread(
            target=_pass_on, args=(self._process.stdout, self._lines), daemon=True
        )
        self._pump.start()

    def ready(self) -> bool:
        code = self.poll()
        if code == 0 and not self.restart:
            return True
        if code is not None:
            raise StartError(f"exit code {code}{self._last_words()}")
        if self._ready is None:
            return self.restart
        return self._ready.exists() if isinstance(self._ready, Path) else self._ready()

    def poll(self) -> int | None:
        return 0 if self._process is None else self._process.poll()

    def terminate(self) -> None:
        if self._process is not None:
            self._process.terminate()

    def kill(self) -> None:
        if self._process is not None and self._process.poll() is None:
            # The child leads its session; while it is not reaped its number cannot be another's.
            os.killpg(self._process.pid, signal.SIGKILL)

    def close(self) -> None:
        if self._pump is not None:
            self._pump.join(1.0)  # A grandchild may hold the pipe open for longer.

    def _last_words(self) -> str:
        self.close()
        text = b"".join(self._lines).decode(errors="replace").strip()
        return f"; its last lines:\n{text}" if text else "; it said nothing"


def _pass_on(source: IO[bytes], lines: deque[bytes]) -> None:
    with source:
        for line in source:
            lines.append(line)
            with contextlib.suppress(OSError, ValueError):  # Nobody listens; the child goes on.
                sys.stderr.buffer.write(line)
                sys.stderr.buffer.flush()


class PostgresChild:
    """The embedded server as a supervised process."""

    name = "postgres"
    restart = True
    start_seconds: float | None = 3600.0  # Recovery that is cut short begins anew.

    def __init__(self, server: EmbeddedPostgres) -> None:
        self._server = server
        self._killed = False

    def start(self) -> None:
        self._killed = False
        try:
            self._server.launch()
        except EmbeddedPostgresError as error:
            raise StartError(str(error)) from error

    def ready(self) -> bool:
        try:
            return self._server.ready()
        except EmbeddedPostgresError as error:
            raise StartError(str(error)) from error

    def poll(self) -> int | None:
        return self._server.poll()

    def terminate(self) -> None:
        self._server.request_stop("fast")

    def kill(self) -> None:
        """Crash the server in the way that it recovers from; asked again, kill it."""
        if self._killed and self._server.pid is not None and self._server.poll() is None:
            os.kill(self._server.pid, signal.SIGKILL)
        else:
            self._server.request_stop("immediate")
        self._killed = True

    def close(self) -> None:
        self._server.stop()
