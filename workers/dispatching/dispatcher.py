"""Acts on intents: takes open effects, talks to the venues, records what it saw.

May be killed at any instruction, run twice, or wake up late. Open effects are rows; a restart finds
what is unfinished. One dispatcher acts for an account, by a lease that the log checks.
"""

import asyncio
import contextlib
import logging
import os
import socket
import time
from collections import Counter, OrderedDict
from collections.abc import Sequence

import psycopg
from msgspec import Struct

from adapters.postgres.connect import WRITER_OPTIONS, connect_async
from adapters.postgres.leases import drop_leases
from adapters.venues.port import VenueRefused, VenueUnreachable
from commands.committer import Committer
from commands.request import LeaseLost
from projections.effect import EffectRow
from workers.dispatching import beside, effects, sending
from workers.dispatching.attending import Attendant
from workers.dispatching.context import Context, Outside
from workers.dispatching.desk import Desk
from workers.dispatching.desks import Desks, shut
from workers.dispatching.dispatcher_limits import DispatcherLimits
from workers.dispatching.effects import Place
from workers.dispatching.handlers import HANDLERS, NEED_NO_DESK
from workers.dispatching.naming import Names
from workers.dispatching.recording import Recorder
from workers.dispatching.switching import Switching
from workers.projecting.projector import CHANNEL
from workers.running.pulse import Pulse

_log = logging.getLogger(__name__)
SETTLED_SECONDS = 10.0
ROUND_SECONDS = 0.01
"""Rounds come no faster, so that what falls due together is fetched together."""


class Retry(Struct, frozen=True):
    place: Place
    at: float
    """Monotonic seconds, as all here."""
    next_pause: float


class Dispatcher:
    def __init__(
        self,
        dsn: str,
        committer: Committer,
        outside: Outside,
        pulse: Pulse,
        limits: DispatcherLimits = DispatcherLimits(),  # noqa: B008 - frozen
    ) -> None:
        self._dsn = dsn
        self._outside = outside
        self._pulse = pulse
        self._limits = limits
        self._holder = f"{socket.gethostname()}:{os.getpid()}:{time.time_ns()}"
        self._counts: Counter[str] = Counter()
        self._recorder = Recorder(committer, self._counts)
        self._committer = committer
        self._switching = Switching(committer, self._counts)
        self._wake = asyncio.Event()
        self._acting: dict[str, asyncio.Task[None]] = {}
        """What is done now, by effect key."""
        self._interruptible: set[str] = set()
        """Keys of those that may take long and lose nothing when they are broken off."""
        self._retries: dict[str, Retry] = {}
        self._settled: OrderedDict[str, tuple[int, int, float]] = OrderedDict()
        """Effect key to (the row's position that was acted on, the position at which the read
        models know what came of it, when to forget it at the latest)."""
        self._projected = 0

    async def run(self, stopping: asyncio.Event) -> None:
        """Until `stopping`, then finish what is being sent; raises where a restart is the cure."""
        self._connection = await connect_async(self._dsn, WRITER_OPTIONS)
        self._side = await connect_async(self._dsn, WRITER_OPTIONS)
        self._names = Names(self._side)
        self._desks = Desks(
            self._committer,
            self._outside,
            self._names,
            self._attend,
            self._holder,
            self._limits.lease_seconds,
            self._counts,
        )
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                others = [
                    tasks.create_task(self._listen_for_effects()),
                    tasks.create_task(self._beside()),
                    tasks.create_task(self._wake_at(stopping)),
                ]
                while not stopping.is_set():
                    await self._round(stopping)
                await self._drain()
                for task in (*others, *self._desks.opening, *self._acting.values()):
                    task.cancel()
                await asyncio.gather(*(shut(desk) for desk in self._desks.open.values()))
        finally:
            with contextlib.suppress(psycopg.Error):
                await drop_leases(self._connection, self._holder)
            await self._connection.close()
            await self._side.close()
            # Only after an error are there any left that are not closed.
            await asyncio.gather(*(shut(desk) for desk in self._desks.open.values()))

    async def _attend(self, desk: Desk) -> None:
        await Attendant(desk, self._side, self._limits.funding_seconds).run()

    async def _beside(self) -> None:
        shared = (self._desks, self._recorder, self._side, self._outside)
        await beside.run(self._dsn, self._holder, *shared, self._limits.portfolio_seconds)

    async def _drain(self) -> None:
        for key in self._interruptible:
            self._acting[key].cancel()
        give_up_at = time.monotonic() + self._limits.window_seconds
        while self._acting and time.monotonic() < give_up_at:
            self._wake.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.2):
                    await self._wake.wait()

    async def _listen_for_effects(self) -> None:
        async with await connect_async(self._dsn, WRITER_OPTIONS) as connection:
            await connection.execute(f"listen {CHANNEL}")
            self._wake.set()
            async for notice in connection.notifies():
                self._projected = int(notice.payload)
                self._wake.set()

    async def _wake_at(self, stopping: asyncio.Event) -> None:
        await stopping.wait()
        self._wake.set()

    async def _round(self, stopping: asyncio.Event) -> None:
        await asyncio.sleep(ROUND_SECONDS)
        self._wake.clear()
        await self._desks.keep(self._connection, self._tasks)
        await self._switching.enforce(self._connection, self._desks.leases)
        is_full = await self._start_due()
        self._report()
        if not is_full and not stopping.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._pause_seconds()):
                    await self._wake.wait()

    def _pause_seconds(self) -> float:
        now = time.monotonic()
        waits = [retry.at - now for retry in self._retries.values() if retry.at > now]
        return max(0.01, min([0.5, *waits]))

    async def _start_due(self) -> bool:
        """Begin what is due and has room; answers whether more may be due."""
        now = time.monotonic()
        self._forget_settled(now)
        waiting = [key for key, retry in self._retries.items() if retry.at > now]
        without = [*self._acting, *waiting]
        rows, held = await self._due(without)
        started: Counter[Place] = Counter()
        for effect in rows:
            place = (effect.account, effect.connector)
            room = self._room_at(place)
            settled_at = self._settled.get(effect.key, (0,))[0]
            if effect.position > settled_at and room > 0 and effect.key not in self._acting:
                self._start(effect)
                started[place] += 1
        seen = {effect.key for effect in rows}
        for key, retry in list(self._retries.items()):
            is_due = retry.at <= now and key not in self._acting
            if is_due and key not in seen and retry.place not in held:
                del self._retries[key]  # Nothing is owed any more.
        return any(count >= self._limits.in_flight_max for count in started.values())

    async def _due(self, without: Sequence[str]) -> tuple[list[EffectRow], set[Place]]:
        """What is due, where there is room or no desk is needed; and which desks may owe more."""
        retrying = Counter(retry.place for retry in self._retries.values())
        ours = self._desks.ours()
        free = {
            place: retrying[place] < self._limits.retrying_max
            for place, desk in ours.items()
            if self._room_at(place) > 0 and not desk.is_paused and not desk.is_outdated
        }
        self._desks.held_up = {place for place, takes_new in free.items() if not takes_new}
        # Settled rows wait for the projector: they are fetched beyond the limit and passed over.
        limit = self._limits.in_flight_max + len(self._settled)
        now_us, connection = sending.now_us(), self._connection
        rows = await effects.due(connection, now_us, free, without, limit) if free else []
        found = Counter((effect.account, effect.connector) for effect in rows)
        held = {place for place in ours if place not in free or found[place] >= limit}
        if self._desks.leases:
            rows += await effects.due_anywhere(
                connection, now_us, list(self._desks.leases), NEED_NO_DESK, without, limit
            )
        return rows, held

    def _room_at(self, place: Place) -> int:
        desk = self._desks.open.get(place)
        if desk is None:
            return self._limits.in_flight_max
        return min(self._limits.in_flight_max, desk.room) - len(desk.acting)

    def _start(self, effect: EffectRow) -> None:
        place = (effect.account, effect.connector)
        desk = self._desks.open.get(place)
        handler = HANDLERS.get(effect.kind or "")
        if desk is None and (handler is None or handler.needs_desk):
            return
        if desk is not None:
            desk.begin(effect.key)
            if effect.kind == "place":
                length_max = desk.venue.traits.client_order_id_length_max
                self._names.learn(effect.client_order_id, length_max)
        if handler is not None and handler.is_interruptible:
            self._interruptible.add(effect.key)
        self._acting[effect.key] = self._tasks.create_task(self._act(desk, effect))

    def _forget_settled(self, now: float) -> None:
        """Once projected, or after a while: the log refuses what is done already."""
        while self._settled:
            key, (_, known_at, until) = next(iter(self._settled.items()))
            if known_at > self._projected and until > now:
                return
            del self._settled[key]

    async def _act(self, desk: Desk | None, effect: EffectRow) -> None:
        recorder = desk.recorder if desk else self._recorder
        is_done = False
        try:
            is_done = await self._do(desk, recorder, effect)
        except (VenueUnreachable, VenueRefused) as error:
            if desk is not None:
                desk.heed(error)
            _log.warning("%s of %s: %s", effect.kind, effect.key, error)
        except LeaseLost:
            self._counts["leases_lost"] += 1
            self._desks.doubt()
        except psycopg.Error:
            raise
        except Exception:  # noqa: BLE001 - one order must not stop the others
            self._counts["effects_failed"] += 1
            _log.exception("%s of %s failed and is tried again", effect.kind, effect.key)
        finally:
            self._acting.pop(effect.key, None)
            self._interruptible.discard(effect.key)
            if desk is not None:
                desk.end(effect.key)
        self._note(effect, recorder, is_done=is_done)
        self._wake.set()

    def _note(self, effect: EffectRow, recorder: Recorder, *, is_done: bool) -> None:
        if is_done:
            self._retries.pop(effect.key, None)
            until = time.monotonic() + SETTLED_SECONDS
            self._settled[effect.key] = (effect.position, recorder.recorded_up_to, until)
            self._settled.move_to_end(effect.key)
            return
        former = self._retries.get(effect.key)
        pause = former.next_pause if former else self._limits.retry_first_seconds
        self._retries[effect.key] = Retry(
            place=(effect.account, effect.connector),
            at=time.monotonic() + pause,
            next_pause=min(2 * pause, self._limits.retry_max_seconds),
        )

    async def _do(self, desk: Desk | None, recorder: Recorder, effect: EffectRow) -> bool:
        handler = HANDLERS.get(effect.kind or "")
        if handler is None:
            raise ValueError(f"Nothing here can do {effect.kind!r} of {effect.key}.")
        context = Context(
            account=effect.account,
            connector=effect.connector,
            lease=self._desks.leases[effect.account],
            at_desk=desk,
            recorder=recorder,
            side=self._side,
            outside=self._outside,
            window_seconds=self._limits.window_seconds,
        )
        return await handler.act(context, effect)

    def _report(self) -> None:
        detail = {"acting": len(self._acting), "retrying": len(self._retries)}
        detail.update(self._counts)
        detail["desks"] = len(self._desks.open)
        detail["desks_missing"] = len(self._desks.missing)
        detail["clock_offset_ms_max"] = self._desks.clock_offset_ms_max()
        self._pulse.beat(self._desks.state(), detail=detail)
