"""Reads an account's funding payments from its venue: for every new desk, and every hour.

What was read and recorded moves a cursor; killed in between, the same payments are read again and
count once.
"""

import asyncio
import logging
import time
from typing import Any, cast

import psycopg

from adapters.venues.port import FundingPayment, PerpetualVenue, VenueRefused
from commands.crashpoint import crashpoint
from domain import funding
from domain.funding import RecordFunding
from workers.dispatching.desk import Desk

_log = logging.getLogger(__name__)
EVERY_SECONDS = 3600.0
PAGE_PAYMENTS = 500
_PAIRS = """
select pair from positions where account = %(account)s and connector = %(connector)s
union
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
    """Of one desk; at a spot venue there is nothing to read."""

    def __init__(
        self,
        desk: Desk,
        side: psycopg.AsyncConnection[Any],
        every_seconds: float = EVERY_SECONDS,
    ) -> None:
        self._desk = desk
        self._side = side
        self._every_seconds = every_seconds
        self._about = (desk.account, desk.connector)
        self._due_at = 0.0

    async def look(self) -> None:
        """At once for a new desk, then every hour. Raises VenueUnreachable: it is called again."""
        is_perpetual = self._desk.venue.traits.is_perpetual
        if not is_perpetual or time.monotonic() < self._due_at:
            return
        try:
            await self.read()
        except VenueRefused as error:
            # What the venue refuses now it will refuse in a minute: not before it is time again.
            self._desk.counts["funding_reads_refused"] += 1
            _log.warning("Funding payments of %s at %s: %s", *self._about, error)
        self._due_at = time.monotonic() + self._every_seconds
        asyncio.get_running_loop().call_later(self._every_seconds, self._desk.touched.set)

    async def read(self) -> int:
        """Record what is new; answers how many the venue told."""
        venue = cast("PerpetualVenue", self._desk.venue)
        parameters = {"account": self._desk.account, "connector": self._desk.connector}
        found = await (await self._side.execute(_PAIRS, parameters)).fetchall()
        pairs = sorted(pair for (pair,) in found)
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
