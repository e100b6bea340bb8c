"""Who may ask a venue next: requests wait for its rate limit in turn, cancellations before others.

Takes the place of ccxt's own limiter. The surprising thing: a request that nobody waits for any
more, or whose own end has come, is not sent and costs nothing. Sent all the same, those of one
burst would keep the limit busy until the next ones are too late as well.
"""

import asyncio
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from msgspec import Struct

from adapters.venues.port import VenueRefused


class Kind(Struct):
    """What is asked for in the current task."""

    is_urgent: bool = False
    give_up_at: float | None = None
    """Monotonic seconds. From here on its first request must not leave; what comes after that one
    always may, for then it can no longer be said that nothing was sent."""


_kind: ContextVar[Kind | None] = ContextVar("kind", default=None)


@contextmanager
def asking(*, is_urgent: bool = False, wait_seconds: float | None = None) -> Iterator[None]:
    """Of all requests inside; the first of them waits no longer than that for its turn."""
    give_up_at = None if wait_seconds is None else time.monotonic() + wait_seconds
    token = _kind.set(Kind(is_urgent, give_up_at))
    try:
        yield
    finally:
        _kind.reset(token)


class Turns:
    """A bucket of tokens: `per_second` of them flow in, and no more than `burst` are kept.

    Called for each request with what it weighs, answers what to wait for.
    """

    def __init__(self, per_second: float, burst: float) -> None:
        self._per_second = per_second
        self._burst = burst
        self._tokens = 0.0
        self._filled_at = time.monotonic()
        self._urgent: deque[tuple[asyncio.Future[None], float, Kind]] = deque()
        self._others: deque[tuple[asyncio.Future[None], float, Kind]] = deque()
        self._task: asyncio.Task[None] | None = None

    def __call__(self, cost: float | None = None) -> asyncio.Future[None]:
        """Its exception is VenueRefused `request_expired`: nothing was sent."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        kind = _kind.get() or Kind()
        waiting = self._urgent if kind.is_urgent else self._others
        waiting.append((turn, 1.0 if cost is None else cost, kind))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())
        return turn

    async def _run(self) -> None:
        while self._urgent or self._others:
            self._fill()
            if self._tokens < 0:
                await asyncio.sleep(-self._tokens / self._per_second)
                continue
            turn, cost, kind = (self._urgent or self._others).popleft()
            if turn.done():
                continue  # Whoever asked has given up.
            if kind.give_up_at is not None and time.monotonic() >= kind.give_up_at:
                text = "it waited for the venue's rate limit for too long, and was not sent"
                turn.set_exception(VenueRefused("request_expired", text))
                continue
            kind.give_up_at = None
            self._tokens -= cost
            turn.set_result(None)

    def _fill(self) -> None:
        now = time.monotonic()
        flown_in = (now - self._filled_at) * self._per_second
        self._tokens = min(self._tokens + flown_in, self._burst)
        self._filled_at = now
