"""Reads an account's funding payments from its venue: at each (re)connect, and every hour or so.

What was read and recorded moves a cursor; killed in between, the same payments are read again and
count once.
"""

import asyncio
import contextlib
import logging
import time
from typing import Any, cast

import psycopg

from adapters.venues.port import FundingPayment, PerpetualVenue, VenueRefused, VenueUnreachable
from commands.crashpoint import crashpoint
from domain import funding
from domain.funding import RecordFunding
from workers.dispatching.desk import Desk
from workers.dispatching.positions import PositionWatch

_log = logging.getLogger(__name__)
PAGE_PAYMENTS = 500
APART_SECONDS = 60.0
"""A connection that comes and goes does not make us read each time."""
FIRST_LOOK_SECONDS = 30.0
RETRY_FIRST_SECONDS = 1.0
RETRY_MAX_SECONDS = 60.0
_PAIRS = """
select pair from net_fills where account = %(account)s and connector = %(connector)s
union
select pair from position_baselines where account = %(account)s and connector = %(connector)s
"""
_CURSOR = "select cursor from funding_cursors where account = %s and connector = %s"
# From where it was read: of two that read at once one moves it, and neither moves it back.
_MOVE = """
insert into funding_cursors (account, connector, cursor) values (%s, %s, %s)
on conflict (account, connector) do update set cursor = excluded.cursor
where funding_cursors.cursor = %s
"""


class FundingWatch:
    def __init__(
        self,
        desk: Desk,
        side: psycopg.AsyncConnection[Any],
        every_seconds: float,
        positions: PositionWatch,
    ) -> None:
        self._desk = desk
        self._side = side
        self._every_seconds = every_seconds
        self._about = (desk.account, desk.connector)
        self._positions = positions
        self._due = asyncio.Event()
        self._due.set()
        self._not_before = 0.0
        """No reading begins earlier, in monotonic seconds."""

    def wake(self) -> None:
        """The venue was away: payments may have been made meanwhile."""
        self._due.set()

    async def run(self) -> None:
        """Until cancelled. The venue's faults are waited out; only the store's go up."""
        with contextlib.suppress(TimeoutError):  # Some venues tell payments only pair by pair.
            async with asyncio.timeout(FIRST_LOOK_SECONDS):
                await self._positions.has_looked.wait()
        retry_seconds = RETRY_FIRST_SECONDS
        pause_seconds = self._every_seconds
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause_seconds):
                    await self._due.wait()
                await asyncio.sleep(self._not_before - time.monotonic())
            self._due.clear()
            pause_seconds = self._every_seconds
            self._not_before = time.monotonic() + APART_SECONDS
            try:
                await self.read()
                retry_seconds = RETRY_FIRST_SECONDS
                continue
            except psycopg.Error:
                raise
            except VenueRefused as error:
                # Not before it is time again: what it refuses now it will refuse in a minute.
                _log.warning("Funding payments of %s at %s: %s", *self._about, error)
            except VenueUnreachable as error:
                self._desk.heed(error)
                _log.warning("Funding payments of %s at %s: %s", *self._about, error)
                pause_seconds = self._retry_after(retry_seconds)
            except Exception:  # noqa: BLE001 - one venue must not stop the others
                _log.exception("The funding payments of %s at %s could not be read", *self._about)
                pause_seconds = self._retry_after(retry_seconds)
            self._desk.counts["funding_reads_failed"] += 1
            retry_seconds = min(2 * retry_seconds, RETRY_MAX_SECONDS)

    def _retry_after(self, seconds: float) -> float:
        """A reading that failed is not waited for as long as one that went well."""
        seconds = min(seconds, self._every_seconds)
        self._not_before = time.monotonic() + seconds
        return seconds

    async def read(self) -> int:
        """Record what is new; answers how many the venue told."""
        venue = cast("PerpetualVenue", self._desk.venue)
        parameters = {"account": self._desk.account, "connector": self._desk.connector}
        found = await (await self._side.execute(_PAIRS, parameters)).fetchall()
        pairs = sorted({*self._positions.pairs, *(pair for (pair,) in found)})
        cursor, told, has_more = await self._cursor(), 0, True
        while has_more:
            page = await venue.funding_payments(cursor, pairs, limit=PAGE_PAYMENTS)
            crashpoint("funding-before-record")
            await asyncio.gather(*(self._record(payment) for payment in page.payments))
            crashpoint("funding-after-record")
            told += len(page.payments)
            if page.cursor != cursor:
                await self._side.execute(_MOVE, (*self._about, page.cursor, cursor))
                crashpoint("funding-after-cursor")
            has_more = page.has_more and page.cursor != cursor
            cursor = page.cursor
        return told

    async def _record(self, payment: FundingPayment) -> None:
        command = RecordFunding(
            *self._about,
            payment.payment_id,
            payment.pair,
            payment.amount,
            payment.token,
            payment.rate,
            payment.position_quantity,
            payment.position_side,
            payment.paid_at_us,
        )
        outcome = await self._desk.recorder.record_on(
            funding.stream(*self._about, payment.paid_at_us),
            command,
            correlation_id=f"funding-{'-'.join(self._about)}-{payment.payment_id}",
        )
        self._desk.counts["funding_payments"] += len(outcome.events)

    async def _cursor(self) -> str | None:
        row = await (await self._side.execute(_CURSOR, self._about)).fetchone()
        return row[0] if row else None
