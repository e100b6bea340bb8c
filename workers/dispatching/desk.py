"""One account at one venue, as the dispatcher acts for it: the venue, and the way to record."""

import base64
from collections import Counter, OrderedDict
from decimal import Decimal
from functools import lru_cache
from typing import Any

from adapters.venues.port import Venue, VenueOrder, VenueTrade
from commands.request import COMMAND_ID_BYTES, Command, Outcome
from domain import order
from domain.amounts import plus
from domain.log import Fence
from domain.order_messages import RecordAccepted, RecordClosed, RecordFill
from workers.dispatching.recording import Recorder

_PREFIX = "av"
_ID_LENGTH = 28
_REMEMBERED_MAX = 50_000
ZERO = Decimal(0)


@lru_cache(maxsize=4096)
def command_id_in(client_order_id: str) -> str | None:
    """The command that placed an order, read back from its client order id; None if not ours."""
    if len(client_order_id) != _ID_LENGTH or not client_order_id.startswith(_PREFIX):
        return None
    encoded = client_order_id.removeprefix(_PREFIX).upper() + "======"
    try:
        decoded = base64.b32decode(encoded)
    except ValueError:
        return None
    return decoded.hex() if len(decoded) == COMMAND_ID_BYTES else None


def remember(memory: OrderedDict[str, Any], name: str, value: object) -> None:
    """Keep the latest ones only."""
    memory[name] = value
    memory.move_to_end(name)
    while len(memory) > _REMEMBERED_MAX:
        memory.popitem(last=False)


class Desk:
    def __init__(self, account: str, connector: str, venue: Venue, recorder: Recorder) -> None:
        self.account = account
        self.connector = connector
        self.venue = venue
        self.recorder = recorder
        self.filled: OrderedDict[str, Decimal] = OrderedDict()
        """What the log holds of our orders' fills, as far as this process has recorded it."""
        self._accepted: OrderedDict[str, None] = OrderedDict()
        self._trades: OrderedDict[str, None] = OrderedDict()
        """Recorded by this process: the same trade seen again costs nothing."""

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

    async def record_order(self, seen: VenueOrder, *, causation_id: str | None = None) -> None:
        """Record where an order stands at the venue; its trades are recorded on their own."""
        name = seen.client_order_id
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

    async def record_trades_of(self, pair: str, client_order_id: str) -> int:
        """Ask the venue for an order's trades and record them all; answers how many it knows."""
        trades = await self.venue.trades_of(pair, client_order_id)
        for trade in trades:
            await self.record_trade(trade)
        return len(trades)
