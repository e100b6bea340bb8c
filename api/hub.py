"""How far the read models are: one listening connection, and everybody who waits for it.

The surprising thing: it also polls, so a lost notification costs half a second, never an answer.
"""

import asyncio
import heapq
import itertools
import logging
from typing import Any

import psycopg

from adapters.postgres.connect import READER_OPTIONS, connect_async

_log = logging.getLogger(__name__)
CHANNEL = "aviary_projected"
POLL_SECONDS = 0.5
_CLOSE_SECONDS = 3.0
PAUSE_MAX_SECONDS = 5.0
WAITERS_MAX = 10_000
_POSITION = """
select coalesce(min(position), 0) from read_positions
"""


class Hub:
    """`start` and `close` on one event loop; `position` is what all read models have reached."""

    def __init__(self, dsn: str) -> None:
        self.position = 0
        self.is_connected = False
        self._dsn = dsn
        self._waiters: list[tuple[int, int, asyncio.Future[None]]] = []
        self._numbers = itertools.count()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="hub")

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            # A frozen server does not consent to the end of its statement: not waited for.
            await asyncio.wait({self._task}, timeout=_CLOSE_SECONDS)
        for _, _, waiter in self._waiters:
            waiter.cancel()
        self._waiters.clear()

    async def reached(self, position: int, timeout_seconds: float) -> bool:
        """Wait until the read models hold `position`; False when they did not in time."""
        if self.position >= position:
            return True
        if timeout_seconds <= 0 or len(self._waiters) >= WAITERS_MAX:
            return False
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiters, (position, next(self._numbers), waiter))
        try:
            async with asyncio.timeout(timeout_seconds):
                await waiter
        except TimeoutError:
            self._drop_finished()
            return False
        return True

    def advance(self, position: int) -> None:
        """Tell how far the read models are; a rebuild may move them back."""
        self.position = position
        while self._waiters and self._waiters[0][0] <= position:
            _, _, waiter = heapq.heappop(self._waiters)
            if not waiter.done():
                waiter.set_result(None)

    def _drop_finished(self) -> None:
        self._waiters = [entry for entry in self._waiters if not entry[2].done()]
        heapq.heapify(self._waiters)

    async def _run(self) -> None:
        pause_seconds = 0.1
        while True:
            try:
                async with await connect_async(self._dsn, READER_OPTIONS) as connection:
                    pause_seconds = 0.1
                    await self._follow(connection)
            except psycopg.Error as error:
                _log.warning("The read models' position is not known now: %s", error)
            except Exception:  # noqa: BLE001 - logged, and it starts again
                _log.exception("The hub failed and starts again")
            self.is_connected = False
            await asyncio.sleep(pause_seconds)
            pause_seconds = min(2 * pause_seconds, PAUSE_MAX_SECONDS)

    async def _follow(self, connection: psycopg.AsyncConnection[Any]) -> None:
        await connection.execute(f"listen {CHANNEL}")
        while True:
            row = await (await connection.execute(_POSITION)).fetchone()
            self.advance(row[0] if row else 0)
            self.is_connected = True
            async for notice in connection.notifies(timeout=POLL_SECONDS):
                if notice.payload.isdecimal():
                    self.advance(max(self.position, int(notice.payload)))
