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

import psycopg
from msgspec import Struct

from adapters.postgres.connect import WRITER_OPTIONS, connect_async
from adapters.postgres.leases import drop_leases, take_leases
from adapters.venues.port import VenueRefused, VenueUnreachable
from commands.committer import Committer
from commands.request import LeaseLost
from projections.effect import EffectRow
from workers.dispatching import effects, sending
from workers.dispatching.context import Context, Outside
from workers.dispatching.desk import Desk, remember
from workers.dispatching.handlers import HANDLERS
from workers.dispatching.listening import Listener
from workers.dispatching.reconciling import our_orders, reconcile
from workers.dispatching.recording import Recorder
from workers.projecting.projector import CHANNEL
from workers.running.pulse import Pulse

_log = logging.getLogger(__name__)
SETTLED_SECONDS = 10.0
ROUND_SECONDS = 0.01
"""Rounds come no faster, so that what falls due together is fetched together."""
DESKS_SECONDS = 0.1


class DispatcherLimits(Struct, frozen=True):
    window_seconds: float = 5.0
    lease_seconds: float = 10.0
    in_flight_max: int = 64
    retry_first_seconds: float = 0.5
    retry_max_seconds: float = 30.0


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
        self._committer = committer
        self._outside = outside
        self._counts: Counter[str] = Counter()
        self._recorder = Recorder(committer, self._counts)
        self._pulse = pulse
        self._limits = limits
        self._holder = f"{socket.gethostname()}:{os.getpid()}:{time.time_ns()}"
        self._wake = asyncio.Event()
        self._desks: dict[tuple[str, str], Desk] = {}
        self._leases: dict[str, int] = {}
        self._leased_at = 0.0
        self._desks_at = 0.0
        self._accounts_tried: set[str] = set()
        self._desks_missing: set[str] = set()
        self._listeners: list[asyncio.Task[None]] = []
        self._sending: set[str] = set()
        self._retries: dict[str, tuple[float, float]] = {}
        """Effect key to (when to try again, the pause after that), in monotonic seconds."""
        self._settled: OrderedDict[str, tuple[int, int, float]] = OrderedDict()
        """Effect key to (the row's position that was acted on, the position at which the read
        models know what came of it, when to forget it at the latest)."""
        self._projected = 0
        self._ours: OrderedDict[str, None] = OrderedDict()

    async def run(self, stopping: asyncio.Event) -> None:
        """Until `stopping`, then finish what is being sent; raises where a restart is the cure."""
        self._connection = await connect_async(self._dsn, WRITER_OPTIONS)
        self._side = await connect_async(self._dsn, WRITER_OPTIONS)
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                listening = tasks.create_task(self._listen_for_effects())
                while not stopping.is_set():
                    await self._round()
                await self._drain()
                listening.cancel()
                for listener in self._listeners:
                    listener.cancel()
        finally:
            with contextlib.suppress(psycopg.Error):
                await drop_leases(self._connection, self._holder)
            await self._connection.close()
            await self._side.close()
            for desk in self._desks.values():
                await desk.venue.close()

    async def _drain(self) -> None:
        give_up_at = time.monotonic() + self._limits.window_seconds
        while self._sending and time.monotonic() < give_up_at:
            self._wake.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), timeout=0.2)

    async def _listen_for_effects(self) -> None:
        async with await connect_async(self._dsn, WRITER_OPTIONS) as connection:
            await connection.execute(f"listen {CHANNEL}")
            self._wake.set()
            async for notice in connection.notifies():
                self._projected = int(notice.payload)
                self._wake.set()

    async def _round(self) -> None:
        await asyncio.sleep(ROUND_SECONDS)
        self._wake.clear()
        await self._keep_leases()
        started = await self._start_due()
        self._report()
        if started < self._limits.in_flight_max:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), timeout=self._pause_seconds())

    def _pause_seconds(self) -> float:
        now = time.monotonic()
        waits = [when - now for when, _ in self._retries.values()]
        return max(0.01, min([0.5, *waits]))

    async def _keep_leases(self) -> None:
        if time.monotonic() < self._desks_at + DESKS_SECONDS:
            return
        desks = await effects.desks(self._connection)
        self._desks_at = time.monotonic()
        accounts = sorted({account for account, _ in desks} | {a for a, _ in self._desks})
        is_due = time.monotonic() - self._leased_at > self._limits.lease_seconds / 3
        if accounts and (is_due or not set(accounts) <= self._accounts_tried):
            taken_at = time.monotonic()
            self._accounts_tried = set(accounts)
            self._leases = await take_leases(
                self._connection, accounts, self._holder, self._limits.lease_seconds
            )
            self._leased_at = taken_at
        for account, connector in desks:
            is_missing = f"{account}/{connector}" in self._desks_missing
            if (
                account in self._leases
                and (account, connector) not in self._desks
                and not is_missing
            ):
                self._open_desk(account, connector)

    def _open_desk(self, account: str, connector: str) -> None:
        try:
            venue = self._outside.make_venue(connector, account, {})
        except LookupError as error:
            _log.warning("Orders of %s wait: %s", account, error)
            self._desks_missing.add(f"{account}/{connector}")
            return
        desk = Desk(account, connector, venue, Recorder(self._committer, self._counts))
        self._desks[account, connector] = desk
        listener = Listener(
            desk,
            self._is_ours,
            lambda: self._reconcile_quietly(desk),
            lambda name: f"order-{name}" in self._sending,
        )
        self._listeners.append(self._tasks.create_task(listener.run()))

    async def _start_due(self) -> int:
        now = time.monotonic()
        waiting = [key for key, (when, _) in self._retries.items() if when > now]
        free = self._limits.in_flight_max - len(self._sending)
        ours = [desk for desk in self._desks if desk[0] in self._leases]
        if free <= 0 or not ours:
            return 0
        self._forget_settled(now)
        # Settled rows wait for the projector: they are fetched beyond the limit and passed over.
        rows = await effects.due(
            self._connection,
            sending.now_us(),
            ours,
            [*self._sending, *waiting],
            free + len(self._settled),
        )
        started = 0
        for effect in rows:
            desk = self._desks[effect.account, effect.connector]
            settled_at = self._settled.get(effect.key, (0,))[0]
            if effect.position <= settled_at or started >= free:
                continue
            self._sending.add(effect.key)
            self._tasks.create_task(self._act(desk, effect, self._leases[effect.account]))
            started += 1
        for key in [key for key, (when, _) in self._retries.items() if when <= now]:
            if key not in self._sending:
                del self._retries[key]  # Nothing is owed any more.
        return started

    def _forget_settled(self, now: float) -> None:
        """Once projected, or after a while: the log refuses what is done already."""
        while self._settled:
            key, (_, known_at, until) = next(iter(self._settled.items()))
            if known_at > self._projected and until > now:
                return
            del self._settled[key]

    async def _act(self, desk: Desk, effect: EffectRow, lease: int) -> None:
        is_done = False
        try:
            is_done = await self._do(desk, effect, lease)
        except (VenueUnreachable, VenueRefused) as error:
            _log.warning("%s of %s: %s", effect.kind, effect.key, error)
        except LeaseLost:
            desk.counts["leases_lost"] += 1
            self._leased_at = 0.0  # Take it again, or learn that it is another's.
        except psycopg.Error:
            raise
        except Exception:  # noqa: BLE001 - one order must not stop the others
            desk.counts["effects_failed"] += 1
            _log.exception("%s of %s failed and is tried again", effect.kind, effect.key)
        finally:
            self._sending.discard(effect.key)
        if is_done:
            self._retries.pop(effect.key, None)
            until = time.monotonic() + SETTLED_SECONDS
            self._settled[effect.key] = (effect.position, desk.recorder.recorded_up_to, until)
            self._settled.move_to_end(effect.key)
        else:
            _, pause = self._retries.get(effect.key, (0, self._limits.retry_first_seconds))
            again = time.monotonic() + pause
            self._retries[effect.key] = (again, min(2 * pause, self._limits.retry_max_seconds))
        self._wake.set()

    async def _do(self, desk: Desk, effect: EffectRow, lease: int) -> bool:
        if effect.kind is None or effect.kind not in HANDLERS:
            raise ValueError(f"Nothing here can do {effect.kind!r} of {effect.key}.")
        if effect.kind == "place":
            remember(self._ours, effect.client_order_id, None)
        context = Context(
            account=effect.account,
            connector=effect.connector,
            lease=lease,
            at_desk=desk,
            recorder=desk.recorder,
            side=self._side,
            outside=self._outside,
            window_seconds=self._limits.window_seconds,
        )
        return await HANDLERS[effect.kind].act(context, effect)

    async def _reconcile_quietly(self, desk: Desk) -> None:
        try:
            await reconcile(desk, self._side)
        except (VenueUnreachable, VenueRefused) as error:
            desk.counts["reconciliations_failed"] += 1
            _log.warning("Reconciling %s at %s: %s", desk.account, desk.connector, error)

    async def _is_ours(self, client_order_id: str) -> bool:
        if client_order_id in self._ours:
            return True
        if client_order_id not in await our_orders(self._side, [client_order_id]):
            return False
        remember(self._ours, client_order_id, None)
        return True

    def _report(self) -> None:
        detail: dict[str, int] = {"sending": len(self._sending), "retrying": len(self._retries)}
        detail.update(self._counts)
        missing = ", ".join(sorted(self._desks_missing))
        self._pulse.beat(f"no venue: {missing}" if missing else "running", detail=detail)
