"""Which desks there are: one for each account and connector that may be traded and is ours.

A desk is opened once its account's lease is held, made anew when another credential comes into
force, and closed when there is none any more. What it takes to open one is its own affair: a venue
that hangs holds up no other.
"""

import asyncio
import contextlib
import logging
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import psycopg

from adapters.postgres.leases import take_leases
from commands.committer import Committer
from workers.dispatching import effects
from workers.dispatching.context import Outside
from workers.dispatching.desk import Desk
from workers.dispatching.effects import Place
from workers.dispatching.handlers import NEED_NO_DESK
from workers.dispatching.naming import Naming
from workers.dispatching.pause import Pause
from workers.dispatching.recording import Recorder

_log = logging.getLogger(__name__)
LOOK_SECONDS = 0.1
STANDING_SECONDS = 1.0
OPENINGS_MAX = 8
"""So many are opened and brought up to date at once: venues count what comes from one address."""
SETTLE_SECONDS = 5.0
AGAIN_SECONDS = 5.0
CLOSE_SECONDS = 2.0
NO_CREDENTIAL = "no credential"
NO_VENUE = "no venue"
HELD_UP = "too many unknown outcomes"
Attend = Callable[[Desk], Awaitable[None]]
"""Look after a desk until cancelled."""


class Desks:
    """`open` and `leases` are read by others; `keep` is called in every round."""

    def __init__(
        self,
        committer: Committer,
        outside: Outside,
        names: Naming,
        attend: Attend,
        holder: str,
        lease_seconds: float,
        counts: Counter[str],
    ) -> None:
        self.open: dict[Place, Desk] = {}
        self.leases: dict[str, int] = {}
        self.missing: dict[Place, str] = {}
        """Why orders of these wait: in the words of `/ready`."""
        self.held_up: set[Place] = set()
        """No new orders go there: as many as there may be are tried again and again."""
        self.owing: dict[Place, bool] = {}
        """All with open effects, whoever's they are, and whether these need a desk."""
        self._committer = committer
        self._outside = outside
        self._names = names
        self._attend = attend
        self._holder = holder
        self._lease_seconds = lease_seconds
        self._counts = counts
        self._standing: dict[Place, str] = {}
        self._standing_at = 0.0
        self._looked_at = 0.0
        self._leased_at = 0.0
        self._accounts_tried: set[str] = set()
        self._again_at: dict[Place, float] = {}
        self._pauses: defaultdict[str, Pause] = defaultdict(Pause)
        self.opening: set[asyncio.Task[None]] = set()
        self._being_opened: set[Place] = set()
        self._starting = asyncio.Semaphore(OPENINGS_MAX)

    def ours(self) -> dict[Place, Desk]:
        """The desks whose accounts are ours now."""
        return {place: desk for place, desk in self.open.items() if place[0] in self.leases}

    def of(self, account: str) -> list[Desk]:
        return [desk for (name, _), desk in self.open.items() if name == account]

    def accounts(self) -> set[str]:
        """Those that are ours and have a connector."""
        return {account for account, _ in self._standing} & self.leases.keys()

    def doubt(self) -> None:
        """A lease was lost: take it again soon, or learn that it is another's."""
        self._leased_at = 0.0

    def clock_offset_ms_max(self) -> int:
        """By how much a venue's clock differs from ours at most, whichever is ahead."""
        return max((abs(desk.clock_offset_us) // 1000 for desk in self.open.values()), default=0)

    def state(self) -> str:
        """In a word; `/ready` shows to everybody what stands before a colon."""
        for kind in (NO_VENUE, NO_CREDENTIAL):
            if kind in self.missing.values():
                return f"{kind}: {_named(self.missing)}"
        return f"{HELD_UP}: {_named(self.held_up)}" if self.held_up else "running"

    async def keep(
        self, connection: psycopg.AsyncConnection[Any], tasks: asyncio.TaskGroup
    ) -> None:
        now = time.monotonic()
        if now < self._looked_at + LOOK_SECONDS:
            return
        self._looked_at = now
        self.owing = await effects.owing(connection, NEED_NO_DESK)
        is_new = not self._wanting() <= self._standing.keys() | self.missing.keys()
        is_old = any(desk.is_outdated for desk in self.open.values())
        if is_new or is_old or now > self._standing_at + STANDING_SECONDS:
            self._standing = await effects.standing(connection)
            self._standing_at = now
            for place, desk in self.open.items():
                desk.is_outdated = self._standing.get(place) != desk.secret_id
        await self._keep_leases(connection)
        self._note_missing()
        for place in [place for place in self.open if not self._may_stay(place)]:
            self._close(self.open.pop(place), tasks)
        for place, secret_id in self._standing.items():
            if self._should_open(place, secret_id):
                self._being_opened.add(place)
                task = tasks.create_task(self._open(place, secret_id, tasks))
                self.opening.add(task)
                task.add_done_callback(self.opening.discard)

    async def _keep_leases(self, connection: psycopg.AsyncConnection[Any]) -> None:
        accounts = sorted({account for account, _ in (*self.owing, *self._standing, *self.open)})
        is_due = time.monotonic() - self._leased_at > self._lease_seconds / 3
        if not accounts or not (is_due or not set(accounts) <= self._accounts_tried):
            return
        taken_at = time.monotonic()
        self._accounts_tried = set(accounts)
        self.leases = await take_leases(connection, accounts, self._holder, self._lease_seconds)
        self._leased_at = taken_at

    def _wanting(self) -> set[Place]:
        """An offered credential waits for its venue without a desk, and nothing waits for it."""
        return {place for place, needs_desk in self.owing.items() if needs_desk}

    def _note_missing(self) -> None:
        wanting = self._wanting()
        for place in wanting:
            if place not in self._standing:
                self.missing[place] = NO_CREDENTIAL
        for place in list(self.missing):
            # What came with the account is missed only where something is owed.
            is_over = place not in wanting and not self._standing.get(place)
            if is_over or place in self.open or place[0] not in self.leases:
                del self.missing[place]

    def _may_stay(self, place: Place) -> bool:
        return place in self._standing and place[0] in self.leases

    def _should_open(self, place: Place, secret_id: str) -> bool:
        desk = self.open.get(place)
        return (
            place[0] in self.leases
            and place not in self._being_opened
            and time.monotonic() >= self._again_at.get(place, 0.0)
            and (desk is None or desk.secret_id != secret_id)
        )

    async def _open(self, place: Place, secret_id: str, tasks: asyncio.TaskGroup) -> None:
        account, connector = place
        try:
            async with self._starting:
                desk = await self._made(account, connector, secret_id)
                if desk is None:
                    self._again_at[place] = time.monotonic() + AGAIN_SECONDS
                    return
                if place in self.open:
                    self._close(self.open[place], tasks)
                self.open[place] = desk
                self.missing.pop(place, None)
                desk.task = tasks.create_task(self._run(desk))
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(SETTLE_SECONDS):
                        await desk.is_settled.wait()
        finally:
            self._being_opened.discard(place)

    async def _made(self, account: str, connector: str, secret_id: str) -> Desk | None:
        try:
            fields = await self._outside.open_secret(secret_id) if secret_id else {}
            venue = self._outside.make_venue(connector, account, fields)
        except psycopg.Error:
            raise
        except Exception as error:  # noqa: BLE001 - one venue must not stop the others
            self._counts["desks_failed"] += 1
            if self.missing.get((account, connector)) != NO_VENUE:
                # Other errors may repeat what they were given, a secret for one.
                text = str(error) if isinstance(error, LookupError) else type(error).__name__
                _log.warning("Orders of %s/%s wait: %s", account, connector, text)
            self.missing[account, connector] = NO_VENUE
            return None
        recorder = Recorder(self._committer, self._counts)
        pause = self._pauses[connector]
        return Desk(account, connector, venue, recorder, self._names, secret_id, pause)

    async def _run(self, desk: Desk) -> None:
        """Look after it for as long as it is open; another one's fault must not end it."""
        while True:
            try:
                await self._attend(desk)
            except* psycopg.Error:
                raise
            except* Exception:  # noqa: BLE001 - counted and logged, then looked after again
                self._counts["desks_failed"] += 1
                _log.exception("Looking after %s/%s failed", desk.account, desk.connector)
            await asyncio.sleep(1.0)

    def _close(self, desk: Desk, tasks: asyncio.TaskGroup) -> None:
        tasks.create_task(self._end(desk))

    async def _end(self, desk: Desk) -> None:
        """Once its calls have ended; it gets no new ones."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._lease_seconds + CLOSE_SECONDS):
                await desk.is_idle.wait()
        await shut(desk)


async def shut(desk: Desk) -> None:
    """Stop looking after a desk and close its venue, within a few seconds."""
    if desk.task is not None:
        desk.task.cancel()
        await asyncio.wait({desk.task}, timeout=CLOSE_SECONDS)
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            await desk.venue.close()
    except Exception as error:  # noqa: BLE001 - it is gone for us in any case
        _log.warning("The venue of %s/%s did not close: %s", desk.account, desk.connector, error)


def _named(places: Iterable[Place]) -> str:
    return ", ".join(sorted(f"{account}/{connector}" for account, connector in places))
