"""Looks at an account's positions at a perpetual venue, records what changed, and compares.

Looks are made when something may have changed, never in a hurry, and every minute. A comparison
counts only when both figures, the venue's position and our fills, were the same before a
reconciliation and after it: so no fill that is under way can look like a difference.
Quantities are base units; times integer UTC microseconds, waits seconds.
"""

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, cast

import msgspec
import psycopg
from msgspec import Struct

from adapters.venues.port import PerpetualVenue, Position, VenueRefused, VenueUnreachable
from commands.crashpoint import crashpoint
from domain import position
from domain.amounts import minus, plus
from domain.position import ComparePosition, Held, ObserveNoPosition, ObservePosition, PositionSide
from projections.positions import PositionRow
from workers.dispatching.desk import Desk
from workers.dispatching.reconciling import reconcile
from workers.dispatching.sending import now_us

_log = logging.getLogger(__name__)
ZERO = Decimal(0)
TEXT_MAX = 300
_ROWS = """
select row_to_json(t)::text from positions t where account = %s and connector = %s
"""
_BEHIND = """
select (select position from log_head) > (
    select coalesce(min(position), 0)
    from read_positions
    where projection in ('net_fills', 'position_baselines')
)
"""
_FIGURES = """
select pair, coalesce(f.net, 0), b.excess, b.difference
from (select pair, net from net_fills where account = %(account)s and connector = %(connector)s) f
full join (
    select pair, excess, difference
    from position_baselines
    where account = %(account)s and connector = %(connector)s
) b using (pair)
"""
_LOOKED = """
insert into position_looks (account, connector, looked_at_us) values (%s, %s, %s)
on conflict (account, connector) do update
set looked_at_us = excluded.looked_at_us, failed_at_us = null, error = null
"""
_FAILED = """
insert into position_looks (account, connector, failed_at_us, error) values (%s, %s, %s, %s)
on conflict (account, connector) do update
set failed_at_us = excluded.failed_at_us, error = excluded.error
"""
_row = msgspec.json.Decoder(PositionRow).decode
Place = tuple[str, PositionSide]


class Pace(Struct, frozen=True):
    gather_seconds: float = 0.5
    """After a first sign of change: more of them are coming."""
    apart_seconds: float = 1.5
    """Between the end of a look and the next one, whatever happens."""
    idle_seconds: float = 60.0
    confirm_seconds: float = 5.0
    confirm_max_seconds: float = 60.0
    projector_seconds: float = 3.0
    retry_first_seconds: float = 0.5
    retry_max_seconds: float = 30.0


PACE = Pace()


class Figures(Struct, frozen=True):
    """Of one pair: what the venue shows, and what our fills come to."""

    venue: Decimal
    fills: Decimal


class Candidate(Struct, frozen=True):
    figures: Figures
    since: float
    """Since when they have stood still, in monotonic seconds."""


class PositionWatch:
    def __init__(self, desk: Desk, side: psycopg.AsyncConnection[Any]) -> None:
        self._desk = desk
        self._side = side
        self._pace = PACE
        self._about = (desk.account, desk.connector)
        self.has_looked = asyncio.Event()
        self.pairs: set[str] = set()
        """All that were ever seen here."""
        self._signs = asyncio.Event()
        self._signs.set()
        self._recorded: dict[Place, Held | None] = {}
        """By this process: the read model may not show it yet."""
        self._candidates: Mapping[str, Candidate] = {}
        """Differences, and missing baselines, that must stand still to count."""
        self._confirm_pause = PACE.confirm_seconds
        self._not_before = 0.0
        """No comparison is confirmed earlier, in monotonic seconds."""

    def wake(self) -> None:
        """Something may have changed: a fill, a message of the venue's, a new connection."""
        self._signs.set()

    async def run(self) -> None:
        """Until cancelled. The venue's faults are waited out; only the store's go up."""
        retry_seconds = self._pace.retry_first_seconds
        while True:
            await self._wait()
            try:
                await self._look()
            except (VenueUnreachable, VenueRefused) as error:
                self._desk.heed(error)
                await self._failed(str(error))
            except psycopg.Error:
                raise
            except Exception as error:  # noqa: BLE001 - one venue must not stop the others
                _log.exception("The positions of %s at %s could not be read", *self._about)
                await self._failed(type(error).__name__)
            else:
                retry_seconds = self._pace.retry_first_seconds
                await asyncio.sleep(self._pace.apart_seconds)
                continue
            await asyncio.sleep(retry_seconds)
            retry_seconds = min(2 * retry_seconds, self._pace.retry_max_seconds)
            self._signs.set()

    async def _wait(self) -> None:
        """For a sign, for the time to confirm, or for the next look that is due anyway."""
        limit_seconds = self._pace.idle_seconds
        if self._candidates:
            first = min(its.since for its in self._candidates.values()) + self._confirm_pause
            due_at = max(first, self._not_before)
            limit_seconds = min(limit_seconds, max(0.0, due_at - time.monotonic()))
        try:
            async with asyncio.timeout(limit_seconds):
                await self._signs.wait()
        except TimeoutError:
            return
        await asyncio.sleep(self._pace.gather_seconds)

    async def _look(self) -> None:
        confirming = self._standing()
        if confirming:
            await reconcile(self._desk, self._side)
        self._signs.clear()  # A sign that comes from here on may be of what is not seen now.
        asked_at_us = now_us()
        seen = await cast("PerpetualVenue", self._desk.venue).positions()
        self.pairs.update(its.pair for its in seen)
        await self._record(seen, asked_at_us)
        self.has_looked.set()
        await self._side.execute(_LOOKED, (*self._about, asked_at_us))
        await self._compare(seen, confirming, asked_at_us)

    def _standing(self) -> Mapping[str, Figures]:
        """What has stood still for long enough to be confirmed now."""
        now = time.monotonic()
        if now < self._not_before:
            return {}
        return {
            pair: its.figures
            for pair, its in self._candidates.items()
            if now >= its.since + self._confirm_pause
        }

    async def _failed(self, text: str) -> None:
        self._desk.counts["position_looks_failed"] += 1
        _log.warning("Positions of %s at %s: %s", *self._about, text)
        await self._side.execute(_FAILED, (*self._about, now_us(), text[:TEXT_MAX]))

    async def _record(self, seen: Sequence[Position], asked_at_us: int) -> None:
        rows = [_row(text) for (text,) in await self._rows()]
        shown: dict[Place, Held] = {(row.pair, row.side): _held(row) for row in rows}
        now: dict[Place, Position] = {(its.pair, its.side): its for its in seen}
        changed = [its for place, its in now.items() if self._is_news(place, _held(its), shown)]
        known = {place for place, held in self._recorded.items() if held is not None}
        missing = {*shown, *known} - now.keys()
        gone = [place for place in missing if self._is_news(place, None, shown)]
        crashpoint("position-before-record")
        # Of a position that has turned, the old side first: at no time are there two.
        await asyncio.gather(*(self._observe_none(*place, asked_at_us) for place in gone))
        await asyncio.gather(*(self._observe(its, asked_at_us) for its in changed))
        crashpoint("position-after-record")

    def _is_news(self, place: Place, held: Held | None, shown: Mapping[Place, Held]) -> bool:
        return shown.get(place) != held or self._recorded.get(place, held) != held

    async def _observe(self, seen: Position, asked_at_us: int) -> None:
        command = ObservePosition(
            *self._about,
            seen.pair,
            seen.side,
            seen.quantity,
            seen.entry_price,
            seen.unrealized_pnl,
            seen.leverage,
            asked_at_us,
        )
        await self._append(seen.pair, command, asked_at_us)
        self._recorded[seen.pair, seen.side] = _held(seen)

    async def _observe_none(self, pair: str, side: PositionSide, asked_at_us: int) -> None:
        command = ObserveNoPosition(*self._about, pair, side, asked_at_us)
        await self._append(pair, command, asked_at_us)
        self._recorded[pair, side] = None

    async def _append(self, pair: str, command: position.Command, asked_at_us: int) -> None:
        outcome = await self._desk.recorder.record_on(
            position.stream(*self._about, pair),
            command,
            correlation_id=f"positions-{'-'.join(self._about)}-{asked_at_us}",
        )
        self._desk.counts["position_events"] += len(outcome.events)

    async def _rows(self) -> list[tuple[str]]:
        return await (await self._side.execute(_ROWS, self._about)).fetchall()

    async def _compare(
        self, seen: Sequence[Position], confirming: Mapping[str, Figures], asked_at_us: int
    ) -> None:
        """Record what stood still, and remember what is yet to."""
        differing = await self._differing(seen)
        now = time.monotonic()
        if differing is None:  # The read models are behind: nobody knows what our fills are.
            self._not_before = now + self._confirm_pause
            return
        left: dict[str, Candidate] = {}
        for pair, figures in differing.items():
            if confirming.get(pair) == figures:
                command = ComparePosition(
                    *self._about, pair, figures.venue, figures.fills, asked_at_us
                )
                await self._append(pair, command, asked_at_us)
                crashpoint("position-after-compare")
                continue
            before = self._candidates.get(pair)
            is_still = before is not None and before.figures == figures
            left[pair] = before if before and is_still else Candidate(figures, now)
        self._candidates = left
        if not left:
            self._confirm_pause = self._pace.confirm_seconds
        elif confirming:  # What moves all the time is looked at ever more seldom.
            self._confirm_pause = min(2 * self._confirm_pause, self._pace.confirm_max_seconds)

    async def _differing(self, seen: Sequence[Position]) -> Mapping[str, Figures] | None:
        """Pairs for which a comparison would say something new; None while that is not known."""
        if not await self._caught_up():
            return None
        found = await self._side.execute(
            _FIGURES, {"account": self._desk.account, "connector": self._desk.connector}
        )
        known = {pair: its for pair, *its in await found.fetchall()}
        at_venue: dict[str, Decimal] = {}
        for its in seen:
            change = plus if its.side == "LONG" else minus
            at_venue[its.pair] = change(at_venue.get(its.pair, ZERO), its.quantity)
        differing = {}
        for pair in {*known, *at_venue}:
            fills, excess, difference = known.get(pair, (ZERO, None, None))
            venue = at_venue.get(pair, ZERO)
            if excess is None or minus(venue, plus(excess, fills)) != difference:
                differing[pair] = Figures(venue, fills)
        return differing

    async def _caught_up(self) -> bool:
        give_up_at = time.monotonic() + self._pace.projector_seconds
        while True:
            found = await (await self._side.execute(_BEHIND)).fetchone()
            if found is not None and not found[0]:
                return True
            if time.monotonic() > give_up_at:
                return False
            await asyncio.sleep(0.05)


def _held(its: Position | PositionRow) -> Held:
    return Held(its.quantity, its.entry_price, its.leverage)
