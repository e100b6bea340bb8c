"""The process runner: starts children in order, restarts those that crash, stops them in reverse.

It lives in the main thread, because children are told by the kernel when the thread that started
them dies (adapters/spawn.py). SIGINT or SIGTERM stops everything in good order, a second one at
once; `kill -9` of this process makes the kernel ask every child to stop.
"""

import logging
import os
import select
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from msgspec import Struct

from workers.running.child import Runnable, StartError

_log = logging.getLogger("aviary.supervisor")

_TICK_SECONDS = 0.5  # child ends and signals wake us at once; this is for what is only polled
_START_TICK_SECONDS = 0.02
_KILL_SECONDS = 5.0


class Limits(Struct, frozen=True):
    start_attempts: int = 3
    start_seconds: float = 60.0
    backoff_first_seconds: float = 0.2
    backoff_max_seconds: float = 10.0
    healthy_seconds: float = 30.0
    grace_seconds: float = 10.0


class _Watched(Struct):
    child: Runnable
    phase: str = "waiting"  # waiting -> starting -> up -> waiting ...; done ends it
    since: float = 0.0
    start_at: float = 0.0
    failures: int = 0
    was_up: bool = False


def run(children: Sequence[Runnable], limits: Limits | None = None) -> int:
    """Run until told to stop; return 0 then, or 1 when a child could not be started at first."""
    supervisor = _Supervisor(limits or Limits())
    with supervisor.signals():
        try:
            for child in children:
                if not supervisor.bring_up(child):
                    break
            while not supervisor.stops and not supervisor.failed:
                supervisor.tick()
                supervisor.wait(supervisor.pause())
        finally:
            supervisor.stop_all()
    return int(supervisor.failed)


class _Supervisor:
    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._watched: list[_Watched] = []
        self._wake_read, self._wake_write = os.pipe()
        self.stops = 0
        self.failed = False

    @contextmanager
    def signals(self) -> Iterator[None]:
        """Count stop signals and be woken by them and by the end of a child."""
        for end in (self._wake_read, self._wake_write):
            os.set_blocking(end, False)
        wake_before = signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        handlers = {signal.SIGINT: self._on_stop, signal.SIGTERM: self._on_stop}
        handlers[signal.SIGCHLD] = lambda *_: None
        before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(wake_before)
            os.close(self._wake_read)
            os.close(self._wake_write)

    def _on_stop(self, *_: object) -> None:
        self.stops += 1

    def wait(self, seconds: float) -> None:
        select.select([self._wake_read], [], [], max(seconds, 0))
        try:
            os.read(self._wake_read, 4096)
        except BlockingIOError:
            return

    def bring_up(self, child: Runnable) -> bool:
        """Start one child and keep the others alive until it is ready; False to give up."""
        watched = _Watched(child)
        self._watched.append(watched)
        while not self.stops and not self.failed:
            self.tick()
            if watched.was_up:
                return True
            self.wait(_START_TICK_SECONDS)
        return False

    def pause(self) -> float:
        """Return how long nothing needs to be looked at."""
        if any(watched.phase == "starting" for watched in self._watched):
            return _START_TICK_SECONDS
        due = [watched.start_at for watched in self._watched if watched.phase == "waiting"]
        return min([_TICK_SECONDS, *(at - time.monotonic() for at in due)])

    def tick(self) -> None:
        """Look at every child once and move it on."""
        for watched in self._watched:
            now = time.monotonic()
            try:
                self._move(watched, now)
            except StartError as error:
                self._on_end(watched, now, str(error))

    def _move(self, watched: _Watched, now: float) -> None:
        child = watched.child
        match watched.phase:
            case "waiting" if now >= watched.start_at:
                watched.phase, watched.since = "starting", now
                child.start()
            case "starting" if child.ready():
                watched.phase, watched.since, watched.was_up = "up", now, True
                _log.info("%s is up", child.name)
            case "starting" if now - watched.since > self._patience(child):
                _kill(child)
                raise StartError(f"not ready after {self._patience(child):g} s")
            case "up" if (code := child.poll()) is not None:
                self._on_end(watched, now, f"exit code {code}")
            case "up" if watched.failures and now - watched.since > self._limits.healthy_seconds:
                watched.failures = 0
            case _:
                pass

    def _patience(self, child: Runnable) -> float:
        return child.start_seconds or self._limits.start_seconds

    def _on_end(self, watched: _Watched, now: float, reason: str) -> None:
        """Decide what the end of a child means: back-off, giving up, or nothing."""
        name = watched.child.name
        if watched.was_up and not watched.child.restart:
            watched.phase = "done"
            _log.info("%s has ended: %s", name, reason)
            return
        if watched.phase == "up" and now - watched.since > self._limits.healthy_seconds:
            watched.failures = 0
        watched.failures += 1
        if not watched.was_up and watched.failures >= self._limits.start_attempts:
            watched.phase, self.failed = "done", True
            _log.error("%s cannot be started: %s", name, reason)
            return
        doubled = self._limits.backoff_first_seconds * 2.0 ** min(watched.failures - 1, 30)
        delay = min(doubled, self._limits.backoff_max_seconds)
        watched.phase, watched.start_at = "waiting", now + delay
        _log.warning("%s has ended: %s. Next start in %.1f s", name, reason, delay)

    def stop_all(self) -> None:
        """Stop in reverse order, each with its grace; a second signal ends the patience."""
        for watched in reversed(self._watched):
            child = watched.child
            if child.poll() is None:
                child.terminate()
            deadline = time.monotonic() + self._limits.grace_seconds
            while child.poll() is None and self.stops <= 1 and time.monotonic() < deadline:
                self.wait(min(_TICK_SECONDS, deadline - time.monotonic()))
            if child.poll() is None:
                _log.warning("%s is being killed", child.name)
                _kill(child)
            child.close()


def _kill(child: Runnable) -> None:
    """Kill and wait for the end, a second time with more force."""
    for _ in range(2):
        child.kill()
        deadline = time.monotonic() + _KILL_SECONDS
        while child.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        if child.poll() is not None:
            return
    _log.error("%s does not end", child.name)
