"""Turns a venue's private stream into commands, in whatever order and number it speaks.

A missed message is no loss: closed orders whose fills did not come are asked for after a moment,
and every (re)connect reconciles.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from decimal import Decimal
from typing import assert_never

import psycopg
from msgspec import structs

from adapters.venues.port import (
    HoldingsChanged,
    OrderUpdate,
    StreamConnected,
    TradeUpdate,
    UserUpdate,
    VenueOrder,
    VenueRefused,
    VenueUnreachable,
)
from domain.order import stream
from workers.dispatching.desk import Desk

_log = logging.getLogger(__name__)
GRACE_SECONDS = 1.0
PAUSE_FIRST_SECONDS = 0.2
PAUSE_MAX_SECONDS = 30.0
IN_FLIGHT_MAX = 512
ZERO = Decimal(0)


class Listener:
    """Listens for one desk until cancelled."""

    def __init__(
        self,
        desk: Desk,
        on_connected: Callable[[], Awaitable[object]],
    ) -> None:
        self._desk = desk
        self._on_connected = on_connected
        self._slots = asyncio.Semaphore(IN_FLIGHT_MAX)

    async def run(self) -> None:
        """Until cancelled. A stream that fails is opened again; only the store's faults go up."""
        pause_seconds = PAUSE_FIRST_SECONDS
        async with asyncio.TaskGroup() as tasks:
            while True:
                try:
                    await self._follow(tasks)
                    pause_seconds = PAUSE_FIRST_SECONDS
                except psycopg.Error:
                    raise
                except Exception:  # noqa: BLE001 - one venue's stream must not stop the others
                    self._desk.counts["streams_failed"] += 1
                    _log.exception("The private stream of %s failed", self._desk.account)
                await asyncio.sleep(pause_seconds)
                pause_seconds = min(2 * pause_seconds, PAUSE_MAX_SECONDS)

    async def _follow(self, tasks: asyncio.TaskGroup) -> None:
        updates = self._desk.venue.updates()
        try:
            async for update in updates:
                await self._slots.acquire()
                task = tasks.create_task(self._take(update))
                task.add_done_callback(lambda _: self._slots.release())
        finally:
            if isinstance(updates, AsyncGenerator):
                await updates.aclose()

    async def _take(self, update: UserUpdate) -> None:
        try:
            await self._handle(update)
        except psycopg.Error:
            raise
        except Exception:  # noqa: BLE001 - the next reconciliation looks again
            self._desk.counts["updates_failed"] += 1
            _log.exception("An update could not be recorded: %r", update)

    async def _handle(self, update: UserUpdate) -> None:
        match update:
            case StreamConnected():
                self._desk.counts["stream_connects"] += 1
                await self._on_connected()
            case TradeUpdate(trade):
                name = await self._desk.names.canonical(trade.client_order_id)
                if name is None:
                    self._desk.counts["foreign_trades"] += 1
                else:
                    await self._desk.record_trade(structs.replace(trade, client_order_id=name))
            case OrderUpdate(order):
                await self._order(order)
            case HoldingsChanged():
                self._desk.on_change()
            case _:
                assert_never(update)

    async def _order(self, order: VenueOrder) -> None:
        name = await self._desk.names.canonical(order.client_order_id)
        if name is None:
            self._desk.counts["foreign_orders"] += 1
            return
        is_sending = stream(name) in self._desk.acting
        if order.status == "open" and is_sending:
            return  # The acknowledgement under way says the same.
        if order.status != "open" and not await self._has_all_fills(name, order):
            return  # Its row stays live, so the next reconciliation asks again.
        if not (order.status == "filled" and is_sending):
            await self._desk.record_order(name, order)

    async def _has_all_fills(self, name: str, order: VenueOrder) -> bool:
        """Wait a moment for fills that are under way, then ask for them."""
        if self._known(name, order):
            return True
        self._slots.release()  # Those that only wait must not hold up the stream.
        try:
            await asyncio.sleep(GRACE_SECONDS)
        finally:
            await self._slots.acquire()
        if self._known(name, order):
            return True
        try:
            await self._desk.record_trades_of(order.pair, name)
        except (VenueUnreachable, VenueRefused) as error:
            self._desk.heed(error)
            _log.warning("Trades of %s could not be read: %s", name, error)
            return False
        return True

    def _known(self, name: str, order: VenueOrder) -> bool:
        return self._desk.filled.get(name, ZERO) >= order.filled_quantity
