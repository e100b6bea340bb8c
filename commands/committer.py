"""Group commit: commands that arrive while a transaction is under way share the next one.

One thread with its own connection. Under the log's lock, in this order: the batch's receipts,
the touched streams brought up to date, the decisions, one insert, COMMIT. The cache takes new
states only after COMMIT is acknowledged. When the answer to a COMMIT is lost the batch simply runs
again: the lock is granted only once the old transaction has ended, and then its receipts say what
became of it.
"""

import asyncio
import concurrent.futures
import contextlib
import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence

from msgspec import Struct

from commands.crashpoint import crashpoint
from commands.current import Current, brought_up, wanted
from commands.decisions import Result, Round
from commands.recounting import catch_up
from commands.request import Outcome, Overloaded, Request
from commands.store import Store
from domain import tally
from domain.log import StoreUnavailable

_log = logging.getLogger(__name__)
RETRY_SECONDS = 3.0


class Limits(Struct, frozen=True):
    batch_max: int = 256
    in_flight_max: int = 2048
    cached_streams_max: int = 20_000


class _Pending(Struct):
    request: Request
    future: "concurrent.futures.Future[Outcome] | asyncio.Future[Outcome]"
    loop: asyncio.AbstractEventLoop | None
    was_tried: bool = False


def _now_us() -> int:
    return time.time_ns() // 1000


class Committer:
    """Use `submit` from an event loop, `execute` from a thread; `close` finishes what waits."""

    def __init__(
        self,
        store: Store,
        *,
        limits: Limits = Limits(),  # noqa: B008 - frozen
        clock: Callable[[], int] = _now_us,
        code_version: str = "",
    ) -> None:
        self.outcomes: Counter[tuple[str, str]] = Counter()
        """Commands by kind and outcome since start, for the metrics."""
        self._store = store
        self._limits = limits
        self._clock = clock
        self._code_version = code_version
        self._waiting: deque[_Pending] = deque()
        self._in_flight = 0
        self._wake = threading.Condition()
        self._closing = False
        self._current = Current(limits.cached_streams_max)
        self._thread = threading.Thread(target=self._run, name="committer", daemon=True)
        self._thread.start()

    def submit(self, request: Request) -> "asyncio.Future[Outcome]":
        """Queue a command from a running event loop; raises Overloaded at the limit."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Outcome] = loop.create_future()
        self._queue(_Pending(request, future, loop))
        return future

    def execute(self, request: Request, timeout_seconds: float = 30.0) -> Outcome:
        """Run one command from a thread without an event loop and wait for its outcome."""
        future: concurrent.futures.Future[Outcome] = concurrent.futures.Future()
        self._queue(_Pending(request, future, None))
        return future.result(timeout_seconds)

    def close(self) -> None:
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._thread.join()

    def _queue(self, pending: _Pending) -> None:
        with self._wake:
            if self._closing:
                raise StoreUnavailable("This process is stopping; nothing was stored. Try again.")
            if self._in_flight >= self._limits.in_flight_max:
                raise Overloaded(
                    f"{self._in_flight} commands wait for the log already. Try again shortly."
                )
            self._in_flight += 1
            self._waiting.append(pending)
            if len(self._waiting) == 1:
                self._wake.notify()

    def _take(self) -> list[_Pending]:
        with self._wake:
            while not self._waiting and not self._closing:
                self._wake.wait()
            count = min(len(self._waiting), self._limits.batch_max)
            return [self._waiting.popleft() for _ in range(count)]

    def _run(self) -> None:
        while batch := self._take():
            results = self._settle(batch)
            with self._wake:
                self._in_flight -= len(batch)
            self._answer(batch, results)

    def _settle(self, batch: list[_Pending]) -> Sequence[Result]:
        """Commit; what breaks a whole batch came with one of it, so its halves are tried apart."""
        try:
            return self._commit_until_known(batch)
        except Exception as error:  # noqa: BLE001 - the thread must outlive any single batch
            self._current.forget()
            if len(batch) == 1:
                _log.exception("A command on %r failed", batch[0].request.stream)
                return [error]
        half = len(batch) // 2
        return [*self._settle(batch[:half]), *self._settle(batch[half:])]

    def _commit_until_known(self, batch: list[_Pending]) -> Sequence[Result]:
        give_up_at = time.monotonic() + RETRY_SECONDS
        pause_seconds = 0.02
        while True:
            try:
                return self._commit(batch)
            except StoreUnavailable as error:
                self._current.forget()
                if time.monotonic() + pause_seconds > give_up_at or self._closing:
                    return [error] * len(batch)
            time.sleep(pause_seconds)
            pause_seconds = min(2 * pause_seconds, 0.5)

    def _commit(self, batch: list[_Pending]) -> Sequence[Result]:
        requests = [pending.request for pending in batch]
        self._current.warm(self._store, requests)
        known = self._current.known(requests)
        needed = wanted(requests, known)
        crashpoint("before-lock")
        with self._store.append() as append:
            found = append.lock(needed)
            crashpoint("after-lock")
            if found.tallied != found.head.position:
                catch_up(self._store, append, found.tallied, found.head.position)
                found = append.look(needed)
            states, tallies = brought_up(append, requests, known, needed, found)
            deciding = Round(
                found.head,
                states,
                found.receipts,
                found.held,
                self._clock(),
                self._code_version,
                tallies,
            )
            for pending in batch:
                deciding.decide(pending.request, was_tried=pending.was_tried)
            decided = deciding.decided
            if decided.receipts:
                append.write_receipts(decided.receipts)
                crashpoint("after-receipt")
                if decided.events:
                    counted = {key: tally.encode(its) for key, its in deciding.counted.items()}
                    append.write_events(decided.events, decided.head, counted)
                    crashpoint("after-events")
                for pending, result in zip(batch, decided.results, strict=True):
                    is_new = isinstance(result, Outcome) and not result.is_replay
                    pending.was_tried = pending.was_tried or is_new
                crashpoint("before-commit")
                append.commit()
                crashpoint("after-commit")
        self._current.remember(deciding.states)
        return decided.results

    def _answer(self, batch: list[_Pending], results: Sequence[Result]) -> None:
        by_loop: dict[asyncio.AbstractEventLoop, list[tuple[_Pending, Result]]] = {}
        for pending, result in zip(batch, results, strict=True):
            self._count(pending.request, result)
            if pending.loop is None:
                _resolve(pending, result)
            else:
                by_loop.setdefault(pending.loop, []).append((pending, result))
        for loop, answers in by_loop.items():
            with contextlib.suppress(RuntimeError):  # The loop is closed: nobody waits any more.
                loop.call_soon_threadsafe(_resolve_all, answers)

    def _count(self, request: Request, result: Result) -> None:
        if isinstance(result, Outcome):
            outcome: str = "replayed" if result.is_replay else result.receipt.outcome
        else:
            outcome = type(result).__name__
        self.outcomes[str(request.command.__struct_config__.tag), outcome] += 1


def _resolve_all(answers: Iterable[tuple[_Pending, Result]]) -> None:
    for pending, result in answers:
        _resolve(pending, result)


def _resolve(pending: _Pending, result: Result) -> None:
    if pending.future.done():
        return  # The waiter gave up; the receipt stands.
    if isinstance(result, Outcome):
        pending.future.set_result(result)
    else:
        pending.future.set_exception(result)
