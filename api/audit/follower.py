"""One follower's way through the log: pages from the database, then the ring that all share.

There is no seam between them: each piece begins where the last one ended, and a position that was
seen committed is visible to every later read. Times are integer UTC microseconds.
"""

import time

from msgspec import structs

from api.audit.frames import Batch, Wanted, entries_of, gather
from api.audit.log_tail import LogTail
from api.deps import Pool
from api.reading import row, rows
from projections import queries

PAGE_EVENTS = 200
WINDOW_POSITIONS = 20_000
"""So much of the log one statement looks through, however rare what it looks for."""
LATE_US = 5_000_000
"""A command's time is taken before it is written: so long after `to_time` the end is sure."""
_SQL = queries.load("audit")


class Follower:
    def __init__(
        self, pool: Pool, tail: LogTail, wanted: Wanted, after: int, before: int, head: int
    ) -> None:
        """`before` is the first position that is not wanted; the log is known up to `head`."""
        self.position = after
        self._pool = pool
        self._tail = tail
        self._wanted = wanted
        self._before = before
        self._known = head
        self._is_end_known = False

    @property
    def is_done(self) -> bool:
        """Nothing more can come of what was asked for."""
        return self.position >= self._before - 1

    @property
    def is_behind(self) -> bool:
        """Whether there is something to `read`."""
        return self._is_end_due or self.position < min(self._known, self._before - 1)

    def take(self) -> Batch | None:
        """What comes next, from the ring; None where that holds nothing for us."""
        self._known = max(self._known, self._tail.position)
        if self.is_done or self._tail.position <= self.position:
            return None
        batch = self._tail.batch(self._wanted, self.position, self._before)
        if batch is not None:
            self.position = batch.position
        return batch

    async def read(self) -> Batch | None:
        """What comes next, from the database; None at the log's end. Raises psycopg.Error."""
        if self._is_end_due:
            self._known = max(self._known, await head_of(self._pool))
            self._before = min(self._before, self._known + 1)
            self._is_end_known = True
        until = min(self._known, self._before - 1, self.position + WINDOW_POSITIONS)
        if self.position >= until:
            return None
        batch = await self._page(until)
        self.position = batch.position
        return batch

    async def _page(self, until: int) -> Batch:
        given = structs.asdict(self._wanted)
        values = {name: value for name, value in given.items() if value is not None}
        names = ("after", "before", *values)
        query = queries.filtered(_SQL["ascending"], [_SQL[name] for name in names])
        bounds = {"after": self.position, "before": until + 1, "limit": PAGE_EVENTS}
        async with self._tail.replaying:
            found = await rows(self._pool, query, {**values, **bounds})
        page = entries_of(found[:PAGE_EVENTS])
        batch = gather(self._wanted, page, self.position, until + 1)
        is_whole = len(found) == len(page) and (not page or batch.position == page[-1].position)
        return structs.replace(batch, position=until) if is_whole else batch

    @property
    def _is_end_due(self) -> bool:
        """Once `to_time` is past, the log's head is the end of what can be wanted."""
        to_time = self._wanted.to_time
        if self._is_end_known or to_time is None:
            return False
        return time.time_ns() // 1000 > to_time + LATE_US


async def head_of(pool: Pool) -> int:
    found = await row(pool, _SQL["head"], {})
    return int(found[0]) if found else 0
