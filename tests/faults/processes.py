"""Real processes that a scenario starts, kills, freezes and thaws; their output goes to a file.

They die with the test process, because the kernel tells them to.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil

from adapters.spawn import spawn

ROOT = Path(__file__).parents[2]
_OURS = ("AVIARY_", "DATABASE_URL", "USERNAME", "PASSWORD", "CORS_")
_STOP_SECONDS = 60.0
POLL_SECONDS = 0.02
_POLL_SHARE = 5
"""A check of ten milliseconds comes every sixty: what is waited for needs the processor."""
_POLL_SECONDS_MAX = 0.5


def until(check: Callable[[], object], what: str, seconds: float = 60.0) -> float:
    """Ask again and again until `check` holds; answers how long it took, fails after `seconds`."""
    started = time.monotonic()
    while True:
        asked_at = time.monotonic()
        if check():
            return time.monotonic() - started
        now = time.monotonic()
        assert now - started < seconds, f"{what}: not within {seconds:g} s"
        time.sleep(min(max(POLL_SECONDS, _POLL_SHARE * (now - asked_at)), _POLL_SECONDS_MAX))


def clean_environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    return kept | {"PYTHONPATH": str(ROOT), "PYTHONFAULTHANDLER": "1"}


class Process:
    """One program with its environment; each `start` may add to that."""

    def __init__(
        self, name: str, arguments: Sequence[str], environment: Mapping[str, str], folder: Path
    ) -> None:
        self.name = name
        self.deaths: list[int] = []
        self._arguments = [sys.executable, "-m", *arguments]
        self._environment = clean_environment() | dict(environment)
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def takes_sigterm(self) -> bool:
        """Whether it has a handler of its own for SIGTERM by now, or has ended."""
        if self.poll() is not None:
            return True
        status = Path(f"/proc/{self.pid}/status").read_text()
        caught = next(line for line in status.splitlines() if line.startswith("SigCgt:"))
        return bool(int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def log(self) -> Path:
        return self._folder / f"{self.name}.log"

    def start(self, **extra: str) -> "Process":
        with self.log.open("ab") as output:
            self._process = spawn(
                self._arguments,
                death_signal=signal.SIGKILL,
                env=self._environment | extra,
                cwd=self._folder,
                output=output,
            )
        return self

    def poll(self) -> int | None:
        assert self._process is not None
        return self._process.poll()

    def revive(self) -> bool:
        """Start it again, with nothing added, where it has ended; answers whether it had."""
        code = self.poll()
        if code is None:
            return False
        self.deaths.append(code)
        self.start()
        return True

    def kill(self) -> None:
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def stop(self) -> int:
        """End it politely; answers its exit code."""
        assert self._process is not None
        self._process.terminate()
        try:
            return self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.send_signal(signal.SIGABRT)  # It writes its stacks into its log.
            self._process.wait()
            raise AssertionError(f"{self.name} did not stop: {self.log.read_text()}") from None

    def freeze(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    @property
    def is_frozen(self) -> bool:
        code = self.poll()
        assert code is None, f"{self.name} ended with {code}: {self.log.read_text()[-2000:]}"
        return psutil.Process(self.pid).status() == psutil.STATUS_STOPPED
