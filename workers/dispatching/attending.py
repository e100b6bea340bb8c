"""Looks after one desk until cancelled: its private stream, comparisons with its venue, watches.

A venue without a private stream is compared often while orders rest there.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any, Protocol

import psycopg

from adapters.venues.port import VenueRefused, VenueUnreachable
from workers.dispatching import effects
from workers.dispatching.desk import Desk
from workers.dispatching.listening import Listener
from workers.dispatching.reconciling import reconcile

_log = logging.getLogger(__name__)
POLL_SECONDS = 2.0
IDLE_SECONDS = 60.0
COALESCE_SECONDS = 0.5
FIRST_PAUSE_SECONDS = 1.0
PAUSE_MAX_SECONDS = 30.0


class Watch(Protocol):
    """Looks at something else that the venue holds for a desk's account, and records what is new.

    Made with the desk. A look is asked for when a stream connects, when holdings change, half a
    second after fills, after every comparison, and whenever somebody sets `desk.touched`. It may
    raise VenueUnreachable and VenueRefused: then it is asked for again.
    """

    async def look(self) -> None: ...


WATCHES: tuple[Callable[[Desk, psycopg.AsyncConnection[Any]], Watch], ...] = ()


class Attendant:
    def __init__(self, desk: Desk, side: psycopg.AsyncConnection[Any]) -> None:
        self._desk = desk
        self._side = side
        self._watches = tuple(make(desk, side) for make in WATCHES)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._look())
            if self._desk.venue.traits.has_user_stream:
                tasks.create_task(Listener(self._desk, self._compare).run())
            else:
                tasks.create_task(self._poll())

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

    async def _look(self) -> None:
        """Once for all that happened within a moment; again, ever later, where the venue fails."""
        pause_seconds = FIRST_PAUSE_SECONDS
        while True:
            await self._desk.touched.wait()
            await asyncio.sleep(COALESCE_SECONDS)
            self._desk.touched.clear()
            if all([await self._is_seen(watch) for watch in self._watches]):
                pause_seconds = FIRST_PAUSE_SECONDS
                continue
            self._desk.touched.set()
            await asyncio.sleep(pause_seconds)
            pause_seconds = min(2 * pause_seconds, PAUSE_MAX_SECONDS)

    async def _is_seen(self, watch: Watch) -> bool:
        try:
            await watch.look()
        except psycopg.Error:
            raise
        except (VenueUnreachable, VenueRefused) as error:
            self._desk.heed(error)
            _log.warning("Looking at %s at %s: %s", self._desk.account, self._desk.connector, error)
            return False
        except Exception:  # noqa: BLE001 - one look must not stop the others
            self._desk.counts["looks_failed"] += 1
            _log.exception("Looking at %s at %s", self._desk.account, self._desk.connector)
            return False
        return True
