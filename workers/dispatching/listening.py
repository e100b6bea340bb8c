"""Turns a venue's private stream into commands, in whatever order and number it speaks.

A missed message is no loss: closed orders whose fills did not come are asked for after a moment,
and every (re)connect reconciles.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from decimal import Decimal

import psycopg

from adapters.venues.port import (
    OrderUpdate,
    StreamConnected,
    TradeUpdate,
    UserUpdate,
    VenueOrder,
    VenueRefused,
    VenueUnreachable,
)
from workers.dispatching.desk import Desk

_log = logging.getLogger(__name__)
GRACE_SECONDS = 1.0
PAUSE_FIRST_SECONDS = 0.2
PAUSE_MAX_SECONDS = 30.0
IN_FLIGHT_MAX = 512
ZERO = Decimal(0)
IsOurs = Callable[[str], Awaitable[bool]]


class Listener:
    """Listens for one desk until cancelled."""

    def __init__(
        self,
        desk: Desk,
        is_ours: IsOurs,
        on_connected: Callable[[], Awaitable[None]],
        is_sending: Callable[[str], bool],
    ) -> None:
        self._desk = desk
        self._is_ours = is_ours
        self._on_connected = on_connected
        self._is_sending = is_sending
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
        async for update in self._desk.venue.updates():
            await self._slots.acquire()
            task = tasks.create_task(self._take(update))
            task.add_done_callback(lambda _: self._slots.release())

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
                if await self._is_ours(trade.client_order_id):
                    await self._desk.record_trade(trade)
                else:
                    self._desk.counts["foreign_trades"] += 1
            case OrderUpdate(order):
                await self._order(order)

    async def _order(self, order: VenueOrder) -> None:
        name = order.client_order_id
        if order.status == "open" and self._is_sending(name):
            return  # The acknowledgement under way says the same.
        if not await self._is_ours(name):
            self._desk.counts["foreign_orders"] += 1
            return
        if order.status != "open" and not await self._has_all_fills(order):
            return  # Its row stays live, so the next reconciliation asks again.
        if not (order.status == "filled" and self._is_sending(name)):
            await self._desk.record_order(order)

    async def _has_all_fills(self, order: VenueOrder) -> bool:
        """Wait a moment for fills that are under way, then ask for them."""
        if self._known(order):
            return True
        self._slots.release()  # Those that only wait must not hold up the stream.
        try:
            await asyncio.sleep(GRACE_SECONDS)
        finally:
            await self._slots.acquire()
        if self._known(order):
            return True
        try:
            await self._desk.record_trades_of(order.pair, order.client_order_id)
        except (VenueUnreachable, VenueRefused) as error:
            _log.warning("Trades of %s could not be read: %s", order.client_order_id, error)
            return False
        return True

    def _known(self, order: VenueOrder) -> bool:
        return self._desk.filled.get(order.client_order_id, ZERO) >= order.filled_quantity
