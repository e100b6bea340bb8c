"""The newest part of the log, read once for all who follow it, and only while somebody does.

One connection listens and reads; a bounded ring keeps what it read. Followers take from the ring
at their own pace and have no queues: one that the ring has left behind reads the log by pages.
The surprising thing: notifications only save time. It also looks by itself, so a lost one delays.
"""

import asyncio
import logging
from bisect import bisect_right
from collections import Counter
from typing import Any

import psycopg

from adapters.postgres.append import CHANNEL
from adapters.postgres.connect import READER_OPTIONS, connect_async
from api.audit.frames import Batch, Entry, Wanted, entries_of, gather

_log = logging.getLogger(__name__)
RING_EVENTS = 5_000
RING_BYTES = 16 * 1024 * 1024
PAGE_EVENTS = 250
SCAN_EVENTS = 1_000
GATHER_SECONDS = 0.05
"""After a page: what arrives meanwhile is handed out in one piece."""
LOOK_SECONDS = 0.5
TICK_SECONDS = 1.0
PAUSE_FIRST_SECONDS = 0.1
PAUSE_MAX_SECONDS = 2.0
_CLOSE_SECONDS = 3.0
_SHARED_MAX = 32
_REPLAYS_AT_ONCE = 2
_HEAD = "select position, seal from log_head"
_SEAL = "select seal from events where notification_id = %s"
_PAGE = """
select notification_id, originator_id, originator_version, topic, state, metadata, seal
from events
where notification_id > %s
order by notification_id
limit %s
"""


class LogTail:
    """`join` and `leave` around each follower; all on one event loop."""

    def __init__(self, dsn: str) -> None:
        self.position = 0
        """Up to here the log was read; 0 before the first look."""
        self.epoch = 0
        """Changes when the log turns out to be another one: a backup was restored."""
        self.is_ending = False
        self.moved = asyncio.Event()
        """Set once, when there is something to look for; then another one stands here."""
        self.sending: set[asyncio.Timeout] = set()
        self.replaying = asyncio.Semaphore(_REPLAYS_AT_ONCE)
        """Followers that read pages leave most of the pool to others."""
        self.by_caller: Counter[str] = Counter()
        """Followers of each caller."""
        self.events_sent = 0
        self._dsn = dsn
        self._oldest = 0
        self._seal: bytes | None = None
        self._ring: list[Entry] = []
        self._ring_bytes = 0
        self._shared: dict[tuple[Wanted, int, int], Batch] = {}
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def followers(self) -> int:
        return self.by_caller.total()

    def join(self, caller: str) -> None:
        self.by_caller[caller] += 1
        if not self._tasks:
            self._tasks = [
                asyncio.create_task(self._run(), name="log tail"),
                asyncio.create_task(self._tick(), name="log tail's clock"),
            ]

    def leave(self, caller: str) -> None:
        self.by_caller -= Counter({caller: 1})  # Drops the name at its last follower.
        if not self.followers:
            self._stop()

    def end(self) -> None:
        """Ask all followers to end at once, those that wait for a slow client too."""
        self.is_ending = True
        now = asyncio.get_running_loop().time()
        for deadline in self.sending:
            if not deadline.expired():
                deadline.reschedule(now)
        self._wake()

    async def close(self) -> None:
        self.end()
        if stopped := self._stop():
            # A frozen server does not consent to the end of its statement: not waited for.
            await asyncio.wait(stopped, timeout=_CLOSE_SECONDS)

    def batch(self, wanted: Wanted, after: int, before: int) -> Batch | None:
        """What the ring holds above `after`; None when that has left it. Equal ones are shared."""
        if after < self._oldest or not self._ring:
            return None
        key = (wanted, after, before)
        batch = self._shared.get(key)
        if batch is None:
            start = bisect_right(self._ring, after, key=_position)
            entries = self._ring[start : start + SCAN_EVENTS]
            batch = gather(wanted, entries, after, before)
            if len(self._shared) < _SHARED_MAX:
                self._shared[key] = batch
        return batch

    def _stop(self) -> list[asyncio.Task[None]]:
        stopped, self._tasks = self._tasks, []
        for task in stopped:
            task.cancel()
        self._begin_at(0, None)
        return stopped

    def _begin_at(self, position: int, seal: bytes | None) -> None:
        self.position = self._oldest = position
        self._seal = seal
        self._ring, self._ring_bytes = [], 0
        self._shared.clear()

    def _wake(self) -> None:
        moved, self.moved = self.moved, asyncio.Event()
        moved.set()

    async def _tick(self) -> None:
        """Followers look at the clock also while the store says nothing."""
        while True:
            await asyncio.sleep(TICK_SECONDS)
            self._wake()

    async def _run(self) -> None:
        pause_seconds = PAUSE_FIRST_SECONDS
        while True:
            try:
                async with await connect_async(self._dsn, READER_OPTIONS) as connection:
                    pause_seconds = PAUSE_FIRST_SECONDS
                    await self._follow(connection)
            except psycopg.Error as error:
                _log.warning("The log cannot be followed now: %s", error)
            except Exception:  # noqa: BLE001 - logged, and it starts again
                _log.exception("The log's tail failed and starts again")
            await asyncio.sleep(pause_seconds)
            pause_seconds = min(2 * pause_seconds, PAUSE_MAX_SECONDS)

    async def _follow(self, connection: psycopg.AsyncConnection[Any]) -> None:
        await connection.execute(f"listen {CHANNEL}")
        await self._find_place(connection)
        self._wake()
        while True:
            cursor = connection.cursor(binary=True)
            await cursor.execute(_PAGE, (self.position, PAGE_EVENTS), prepare=True)
            rows = await cursor.fetchall()
            if rows:
                self._take(entries_of(rows))
            if len(rows) == PAGE_EVENTS:
                continue
            if rows:
                await asyncio.sleep(GATHER_SECONDS)
            async for _ in connection.notifies(timeout=LOOK_SECONDS, stop_after=1):
                pass

    async def _find_place(self, connection: psycopg.AsyncConnection[Any]) -> None:
        """Begin at the log's head, or go on where the last connection was lost."""
        if self.position:
            found = await (await connection.execute(_SEAL, (self.position,))).fetchone()
            if found is not None and found[0] == self._seal:
                return
        head = await (await connection.execute(_HEAD)).fetchone()
        if head is None:
            raise psycopg.OperationalError("The log has no head row; run `aviary migrate`.")
        if self.position:
            _log.error(
                "The log at position %d is not the one that was followed: it now ends at %d. Was a "
                "backup restored? All followers are sent away.",
                self.position,
                head[0],
            )
            self.epoch += 1
        self._begin_at(*head)

    def _take(self, entries: list[Entry]) -> None:
        last = entries[-1]
        self._ring += entries
        self._ring_bytes += sum(entry.size for entry in entries)
        gone = max(0, len(self._ring) - RING_EVENTS)
        kept_bytes = self._ring_bytes - sum(entry.size for entry in self._ring[:gone])
        while kept_bytes > RING_BYTES and gone < len(self._ring) - 1:
            kept_bytes -= self._ring[gone].size
            gone += 1
        if gone:
            self._oldest = self._ring[gone - 1].position
            del self._ring[:gone]
        self._ring_bytes = kept_bytes
        self._shared.clear()
        self.position, self._seal = last.position, last.recorded.seal
        self._wake()


def _position(entry: Entry) -> int:
    return entry.position
