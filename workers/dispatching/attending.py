"""Looks after one desk until cancelled: its private stream, comparisons with its venue, its watch.

A venue without a private stream is compared often while orders rest there.
"""

import asyncio
import logging
import time
from typing import Any

import psycopg

from adapters.venues.port import VenueRefused, VenueUnreachable
from workers.dispatching import effects
from workers.dispatching.desk import Desk
from workers.dispatching.listening import Listener
from workers.dispatching.reconciling import reconcile
from workers.dispatching.watching import Watch

_log = logging.getLogger(__name__)
POLL_SECONDS = 2.0
IDLE_SECONDS = 60.0


class Attendant:
    def __init__(
        self, desk: Desk, side: psycopg.AsyncConnection[Any], funding_seconds: float
    ) -> None:
        self._desk = desk
        self._side = side
        self._watch = Watch(desk, side, funding_seconds)
        desk.on_change = self._watch.changed

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch.run())
            if self._desk.venue.traits.has_user_stream:
                tasks.create_task(Listener(self._desk, self._connected).run())
            else:
                tasks.create_task(self._poll())

    async def _connected(self) -> None:
        await self._compare()
        self._watch.connected()

    async def _compare(self) -> None:
        """Reconcile, as far as the venue answers."""
        desk = self._desk
        try:
            await reconcile(desk, self._side)
        except (VenueUnreachable, VenueRefused) as error:
            desk.heed(error)
            desk.counts["reconciliations_failed"] += 1
            _log.warning("Reconciling %s at %s: %s", desk.account, desk.connector, error)
        finally:
            desk.is_settled.set()

    async def _poll(self) -> None:
        compared_at = 0.0
        while True:
            is_old = time.monotonic() > compared_at + IDLE_SECONDS
            place = (self._desk.account, self._desk.connector)
            if not self._desk.is_paused and (
                is_old or await effects.has_resting(self._side, *place)
            ):
                await self._compare()
                compared_at = time.monotonic()
            await asyncio.sleep(POLL_SECONDS)
