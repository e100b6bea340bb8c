"""Who may ask a venue next: cancellations, then orders, then reads, at the venue's rate.

Takes the place of ccxt's own limiter. Two surprising things. A request that nobody waits for any
more, or whose own end has come, is not sent and costs nothing: sent all the same, those of one
burst would keep the limit busy until the next ones are too late as well. And what reads have spent
holds back reads only: all tickers of Binance weigh as much as 80 orders, which would expire
waiting for them. Reads pay for orders, but not orders for reads; so the rate is exceeded by one
heavy read at most.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Literal, get_args

from msgspec import Struct

from adapters.venues.port import VenueRefused

Rank = Literal["cancel", "order", "read"]
_TRADING: tuple[Rank, ...] = ("cancel", "order")
_TRADING_SHARE = 0.9
"""Of the rate: a flood of orders leaves the rest to asking what became of them."""


class Kind(Struct):
    """What is asked for in the current task."""

    rank: Rank = "read"
    give_up_at: float | None = None
    """Monotonic seconds. From here on its first request must not leave; what comes after that one
    always may, for then it can no longer be said that nothing was sent."""


_kind: ContextVar[Kind | None] = ContextVar("kind", default=None)


@contextlib.contextmanager
def asking(rank: Rank, *, wait_seconds: float | None = None) -> Iterator[None]:
    """Of all requests inside; the first of them waits no longer than that for its turn."""
    give_up_at = None if wait_seconds is None else time.monotonic() + wait_seconds
    token = _kind.set(Kind(rank, give_up_at))
    try:
        yield
    finally:
        _kind.reset(token)


class _Bucket:
    """`per_second` tokens flow in, no more than `burst` are kept; one may be owed some."""

    def __init__(self, per_second: float, burst: float) -> None:
        self._per_second = per_second
        self._burst = burst
        self._tokens = 0.0
        self._filled_at = time.monotonic()

    def spend(self, cost: float) -> None:
        self._fill()
        self._tokens -= cost

    def seconds_owed(self) -> float:
        """Until the next request may leave; 0 is now."""
        self._fill()
        return max(0.0, -self._tokens / self._per_second)

    def _fill(self) -> None:
        now = time.monotonic()
        flown_in = (now - self._filled_at) * self._per_second
        self._tokens = min(self._tokens + flown_in, self._burst)
        self._filled_at = now


class Turns:
    """Called for each request with what it weighs, answers what to wait for."""

    def __init__(self, per_second: float, burst: float) -> None:
        self._all = _Bucket(per_second, burst)
        self._trading = _Bucket(per_second * _TRADING_SHARE, burst)
        self._waiting: dict[Rank, deque[tuple[asyncio.Future[None], float, Kind]]] = {
            rank: deque() for rank in get_args(Rank)
        }
        self._came = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def __call__(self, cost: float | None = None) -> asyncio.Future[None]:
        """Its exception is VenueRefused `request_expired`: nothing was sent."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        kind = _kind.get() or Kind()
        self._waiting[kind.rank].append((turn, 1.0 if cost is None else cost, kind))
        self._came.set()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())
        return turn

    async def _run(self) -> None:
        while ranks := [rank for rank, queue in self._waiting.items() if queue]:
            owed = {rank: self._bucket(rank).seconds_owed() for rank in ranks}
            first = next((rank for rank in ranks if not owed[rank]), None)
            if first is not None:
                self._give(*self._waiting[first].popleft())
                continue
            self._came.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(owed.values())):
                    await self._came.wait()

    def _give(self, turn: asyncio.Future[None], cost: float, kind: Kind) -> None:
        if turn.done():
            return  # Whoever asked has given up.
        if kind.give_up_at is not None and time.monotonic() >= kind.give_up_at:
            text = "it waited for the venue's rate limit for too long, and was not sent"
            turn.set_exception(VenueRefused("request_expired", text))
            return
        kind.give_up_at = None
        self._all.spend(cost)
        if kind.rank in _TRADING:
            self._trading.spend(cost)
        turn.set_result(None)

    def _bucket(self, rank: Rank) -> _Bucket:
        return self._trading if rank in _TRADING else self._all
