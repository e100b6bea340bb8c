"""When the accounts that are ours are looked at as a whole: at every interval, and after fills.

An interval's snapshot has one command id whoever takes it, so that two dispatchers, or one killed
and started again, record it once. Times are integer UTC microseconds, waits seconds.
"""

import asyncio
import logging
import time
from typing import Any

import msgspec
import psycopg
from msgspec import Struct

from adapters.postgres.questions import Snapshot
from adapters.venues.port import VenueRefused, VenueUnreachable
from commands.crashpoint import crashpoint
from commands.request import LeaseLost, Outcome
from domain import portfolio
from domain.log import Fence
from domain.portfolio import Cause, PortfolioObserved
from workers.dispatching import effects
from workers.dispatching.desks import Desks
from workers.dispatching.portfolio_looks import AT_ONCE, IN_TURN, Looks, Patience
from workers.dispatching.recording import Recorder
from workers.dispatching.sending import now_us

_log = logging.getLogger(__name__)
TICK_SECONDS = 0.1
AFTER_FILL_SECONDS = 3.0
"""From the first fill to the look: more of them are coming."""
_LAST = """
select state, notification_id
from events
where originator_id = %s and topic = 'portfolio.observed.v1'
order by originator_version desc
limit 1
"""
_FILLED_SINCE = "select exists (select from trades where account = %s and position > %s)"


class _Watched(Struct):
    """An account, for as long as we have its lease."""

    lease: int
    taken_us: int = 0
    """The last point of the interval's grid that has its snapshot, or is having it made."""
    filled_at: float | None = None
    """Monotonic seconds of a fill from before our time that no snapshot shows yet."""
    seen_at: float = 0.0
    """Monotonic seconds of the last snapshot of ours; 0 for none yet."""
    silent: int = 0
    task: asyncio.Task[None] | None = None


class Portfolios:
    def __init__(
        self,
        desks: Desks,
        recorder: Recorder,
        side: psycopg.AsyncConnection[Any],
        looks: Looks,
        every_seconds: float,
    ) -> None:
        """With 0 seconds there is a snapshot only when somebody asks for one."""
        self._desks = desks
        self._recorder = recorder
        self._side = side
        self._looks = looks
        self._every_us = round(every_seconds * 1_000_000)
        self._watched: dict[str, _Watched] = {}

    async def run(self) -> None:
        """Until cancelled; raises psycopg.Error where a restart is the cure."""
        if not self._every_us:
            return
        async with asyncio.TaskGroup() as tasks:
            while True:
                self._start_due(tasks)
                self._count()
                await asyncio.sleep(TICK_SECONDS)

    async def asked(self, account: str) -> Snapshot:
        """Take a snapshot now. Raises what the asker is told: VenueUnreachable, VenueRefused."""
        lease = self._desks.leases.get(account)
        if lease is None:
            raise VenueUnreachable("the account is another worker's now; ask again")
        try:
            outcome = await self._observe(account, lease, "asked", now_us(), AT_ONCE)
        except LeaseLost as error:
            self._desks.doubt()
            raise VenueUnreachable(f"{error} Ask again.") from error
        if outcome.receipt.outcome == "refused":
            raise VenueRefused(outcome.receipt.code or "", outcome.receipt.text or "")
        return Snapshot(outcome.receipt.position)

    def _start_due(self, tasks: asyncio.TaskGroup) -> None:
        ours = self._desks.accounts()
        for account in ours:
            lease = self._desks.leases[account]
            watched = self._watched.get(account)
            if watched is None or watched.lease != lease:
                watched = self._watched[account] = _Watched(lease)
                watched.task = tasks.create_task(self._begin(account, watched))
            elif watched.task is None or watched.task.done():
                cause = self._cause(account, watched)
                if cause is not None:
                    due_us = self._due_us() if cause == "interval" else now_us()
                    watched.task = tasks.create_task(self._take(account, watched, cause, due_us))
        for account in [account for account in self._watched if account not in ours]:
            tasks.create_task(self._leave(account, self._watched.pop(account)))

    def _cause(self, account: str, watched: _Watched) -> Cause | None:
        if not 0 <= watched.taken_us - self._due_us() <= self._every_us:  # Clocks are set back.
            return "interval"
        fills = [desk.unseen_fill_at for desk in self._desks.of(account)]
        first = min((at for at in (watched.filled_at, *fills) if at is not None), default=None)
        is_due = first is not None and time.monotonic() >= first + AFTER_FILL_SECONDS
        return "fill" if is_due else None

    def _due_us(self) -> int:
        """The last point of the grid: the same for all accounts and processes."""
        now = now_us()
        return now - now % self._every_us

    async def _begin(self, account: str, watched: _Watched) -> None:
        """Learn from the log what was done before us."""
        row = await (await self._side.execute(_LAST, (portfolio.stream(account),))).fetchone()
        if row is None:
            return
        last = msgspec.json.decode(row[0], type=PortfolioObserved)
        watched.taken_us = last.asked_at_us
        found = await (await self._side.execute(_FILLED_SINCE, (account, row[1]))).fetchone()
        if found is not None and found[0]:
            watched.filled_at = time.monotonic()

    async def _take(self, account: str, watched: _Watched, cause: Cause, due_us: int) -> None:
        watched.taken_us = due_us
        watched.filled_at = None
        try:
            outcome = await self._observe(account, watched.lease, cause, due_us, IN_TURN)
        except LeaseLost:
            self._recorder.counts["leases_lost"] += 1
            self._desks.doubt()
            return
        except psycopg.Error:
            raise
        except Exception:  # noqa: BLE001 - one account must not stop the others
            self._recorder.counts["portfolios_failed"] += 1
            _log.exception("What %s holds could not be recorded", account)
            return
        watched.seen_at = time.monotonic()
        watched.silent = sum(
            isinstance(event, portfolio.PortfolioVenueSilent) for event in outcome.events
        )

    async def _observe(
        self, account: str, lease: int, cause: Cause, due_us: int, patience: Patience
    ) -> Outcome:
        command = await self._looks.look(account, cause, patience)
        crashpoint("portfolio-before-record")
        outcome = await self._recorder.record_on(
            portfolio.stream(account),
            command,
            correlation_id=f"portfolio-{account}-{due_us}",
            fence=Fence(account, lease),
            identity=f"{cause} {due_us}",
        )
        crashpoint("portfolio-after-record")
        self._recorder.counts["portfolios_observed"] += bool(outcome.events)
        return outcome

    async def _leave(self, account: str, watched: _Watched) -> None:
        """Of an account that has lost its last connector, record that it holds nothing any more."""
        if watched.task is not None:
            await asyncio.wait({watched.task})
        if not await effects.standing_of(self._side, account):
            await self._take(account, watched, "interval", now_us())

    def _count(self) -> None:
        seen = [watched.seen_at for watched in self._watched.values() if watched.seen_at]
        counts = self._recorder.counts
        counts["portfolio_oldest_seconds"] = int(time.monotonic() - min(seen)) if seen else 0
        counts["portfolio_venues_silent"] = sum(its.silent for its in self._watched.values())
