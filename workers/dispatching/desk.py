"""One account at one venue, as the dispatcher acts for it: the venue, and the way to record."""

import asyncio
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from decimal import Decimal

from msgspec import structs

from adapters.venues.port import Venue, VenueOrder, VenueTrade
from commands.request import Command, Outcome
from domain import order
from domain.amounts import plus
from domain.log import Fence
from domain.order_messages import RecordAccepted, RecordClosed, RecordFill
from workers.dispatching.naming import Naming, command_id_in, remember
from workers.dispatching.pause import Pause
from workers.dispatching.recording import Recorder

ZERO = Decimal(0)
ROOM_MAX = 64
OFFSET_MIN_US = 1_000_000


class Desk:
    def __init__(
        self,
        account: str,
        connector: str,
        venue: Venue,
        recorder: Recorder,
        names: Naming,
        secret_id: str = "",
        pause: Pause | None = None,
    ) -> None:
        self.account = account
        self.connector = connector
        self.venue = venue
        self.recorder = recorder
        self.names = names
        self.secret_id = secret_id
        """With which the venue was made; empty where it needs none."""
        self.is_outdated = False
        """Another credential is in force: nothing new is begun here."""
        self.task: asyncio.Task[None] | None = None
        """Looks after it."""
        self.is_settled = asyncio.Event()
        """It was compared with its venue once, or could not be."""
        self.acting: set[str] = set()
        """Keys of the effects that are acted upon now."""
        self.is_idle = asyncio.Event()
        self.is_idle.set()
        self.clock_offset_us = 0
        """By which the venue's clock is ahead of ours, as far as it was asked."""
        self._room = float(ROOM_MAX)
        self.reconciling = asyncio.Lock()
        self.on_change: Callable[[], None] = lambda: None
        """Called when holdings may be other than before: fills, the venue's word, a comparison."""
        self._pause = pause or Pause()
        self.filled: OrderedDict[str, Decimal] = OrderedDict()
        """What the log holds of our orders' fills, as far as this process has recorded it."""
        self.unseen_fill_at: float | None = None
        """Monotonic seconds of the first fill since the account was last looked at as a whole."""
        self._accepted: OrderedDict[str, None] = OrderedDict()
        self._trades: OrderedDict[str, None] = OrderedDict()
        """Recorded by this process: the same trade seen again costs nothing."""

    async def read_clock(self) -> None:
        """Learn how far the venue's clock is ahead of ours. Raises what the venue raises."""
        before_us = time.time_ns() // 1000
        there_us = await self.venue.time_us()
        ours_us = (before_us + time.time_ns() // 1000) // 2
        self.clock_offset_us = there_us - ours_us

    @property
    def ahead_us(self) -> int:
        """What is added to our clock to tell the venue until when a request may arrive.

        Only where it can be told, and only where the clocks differ by more than a network does.
        """
        is_off = abs(self.clock_offset_us) > OFFSET_MIN_US
        return self.clock_offset_us if is_off and self.venue.traits.has_request_expiry else 0

    def begin(self, key: str) -> None:
        """An effect is acted upon."""
        self.acting.add(key)
        self.is_idle.clear()

    def end(self, key: str) -> None:
        self.acting.discard(key)
        if not self.acting:
            self.is_idle.set()

    @property
    def is_paused(self) -> bool:
        return self._pause.is_on

    @property
    def room(self) -> int:
        """So many effects may be acted upon at once: as many as the venue takes in time."""
        return int(self._room)

    def was_in_time(self) -> None:
        """One more, once as many have been in time: an order that is too late has few attempts."""
        self._room = min(self._room + 1 / self._room, ROOM_MAX)

    def was_too_late(self) -> None:
        """Requests wait for longer than they live, for a rate limit say: send fewer at once."""
        self._room = max(self._room / 2, 1.0)
        self.counts["sent_too_late"] += 1

    def heed(self, error: Exception) -> None:
        """Send nothing for a while where the venue asked for that, nor does any of its desks."""
        self.counts["venue_busy"] += self._pause.heed(error)

    @property
    def counts(self) -> Counter[str]:
        return self.recorder.counts

    async def record(
        self,
        client_order_id: str,
        command: Command,
        *,
        causation_id: str | None = None,
        fence: Fence | None = None,
    ) -> Outcome:
        """Record on an order's stream, for as long as it takes."""
        correlation_id = command_id_in(client_order_id) or client_order_id
        return await self.recorder.record_on(
            order.stream(client_order_id),
            command,
            correlation_id=correlation_id,
            causation_id=causation_id,
            fence=fence,
        )

    async def record_order(
        self, name: str, seen: VenueOrder, *, causation_id: str | None = None
    ) -> None:
        """Record where an order stands at the venue; its trades are recorded on their own."""
        if name not in self._accepted and seen.status != "rejected":
            accepted = RecordAccepted(seen.exchange_order_id)
            await self.record(name, accepted, causation_id=causation_id)
            remember(self._accepted, name, None)
        if seen.status in ("cancelled", "expired"):
            closed = RecordClosed(seen.status, seen.reason or "")
            await self.record(name, closed, causation_id=causation_id)

    async def record_trade(self, trade: VenueTrade) -> None:
        name = trade.client_order_id
        trade_key = f"{name}:{trade.trade_id}"
        if trade_key in self._trades:
            return
        fill = RecordFill(
            trade.trade_id,
            trade.side,
            trade.quantity,
            trade.price,
            trade.fee,
            trade.fee_token,
            trade.is_maker,
            trade.executed_at_us,
        )
        outcome = await self.record(name, fill)
        remember(self._trades, trade_key, None)
        if outcome.events:
            remember(self.filled, name, plus(self.filled.get(name, ZERO), trade.quantity))
            self.counts["fills"] += 1
            if self.unseen_fill_at is None:
                self.unseen_fill_at = time.monotonic()
            self.on_change()

    async def record_trades_of(self, pair: str, client_order_id: str) -> int:
        """Ask the venue for an order's trades and record them all; answers how many it knows."""
        trades = await self.venue.trades_of(pair, client_order_id)
        for trade in trades:
            await self.record_trade(structs.replace(trade, client_order_id=client_order_id))
        return len(trades)
