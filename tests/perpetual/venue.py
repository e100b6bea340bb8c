"""A perpetual venue with a ledger: positions that orders move, and others by hand."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from msgspec import structs

from adapters.venues.port import (
    FundingPage,
    FundingPayment,
    Position,
    PositionMode,
    PositionSide,
    TradePage,
    VenueTrade,
    VenueUnreachable,
)
from tests.workers.stage import TRAITS, Ledger, Stage, serving

CONNECTOR = "binance_perpetual"
PERPETUAL = structs.replace(TRAITS, is_perpetual=True, position_modes=("ONEWAY", "HEDGE"))
ZERO = Decimal(0)


class PerpetualLedger(Ledger):
    """Raises what stands in `errors`, one a call, before it does anything."""

    def __init__(self) -> None:
        super().__init__(PERPETUAL)
        self.held: dict[tuple[str, PositionSide], Decimal] = {}
        self.leverages: list[tuple[str, int]] = []
        self.modes: list[PositionMode] = []
        self.mode: PositionMode = "ONEWAY"
        self.payments: list[FundingPayment] = []
        self.errors: dict[str, list[Exception]] = {}
        self.is_away = False
        self.looks = 0
        self.funding_cursors: list[str | None] = []
        """With which payments were asked for."""
        self.hidden: list[VenueTrade] = []
        """Trades that the venue does not tell yet."""
        self.entry_price: Decimal | None = Decimal(50_000)

    def _may_fail(self, call: str) -> None:
        if self.is_away:
            raise VenueUnreachable("the venue is away")
        if self.errors.get(call):
            raise self.errors[call].pop(0)

    def move(self, pair: str, change: str, side: PositionSide = "LONG") -> None:
        """Trade by hand."""
        quantity = self.held.get((pair, side), ZERO) + Decimal(change)
        self.held[pair, side] = quantity
        if not quantity:
            del self.held[pair, side]

    def fill(self, name: str, *, is_told: bool = True) -> None:
        super().fill(name)
        trade = self.trades[-1]
        if not is_told:
            self.hidden.append(self.trades.pop())
        self.move(trade.pair, str(trade.quantity if trade.side == "BUY" else -trade.quantity))

    async def trades_since(
        self, cursor: str | None, _pairs: Sequence[str], limit: int = 500
    ) -> TradePage:
        self._may_fail("trades_since")
        return await super().trades_since(cursor, _pairs, limit)

    async def positions(self) -> tuple[Position, ...]:
        self._may_fail("positions")
        self.looks += 1
        return tuple(
            Position(
                pair=pair,
                side=side,
                quantity=quantity,
                entry_price=self.entry_price,
                unrealized_pnl=Decimal(self.looks),
                leverage=Decimal(20),
                at_us=self.looks,
            )
            for (pair, side), quantity in self.held.items()
        )

    async def set_leverage(self, pair: str, leverage: int) -> None:
        self._may_fail("set_leverage")
        self.leverages.append((pair, leverage))

    async def position_mode(self) -> PositionMode:
        self._may_fail("position_mode")
        return self.mode

    async def set_position_mode(self, mode: PositionMode) -> None:
        self._may_fail("set_position_mode")
        self.modes.append(mode)
        self.mode = mode

    async def funding_payments(
        self, cursor: str | None, _pairs: Sequence[str], limit: int = 2
    ) -> FundingPage:
        self._may_fail("funding_payments")
        self.funding_cursors.append(cursor)
        after = int(cursor or 0)
        limit = min(limit, 2)
        page = tuple(self.payments[after : after + limit])
        has_more = after + len(page) < len(self.payments)
        return FundingPage(payments=page, cursor=str(after + len(page)), has_more=has_more)


def run(on: Stage, venue: PerpetualLedger, *steps: Any) -> None:
    """Run until each step was true once, in their order; one that does something answers None."""
    left = list(steps)

    def is_done() -> bool:
        while left and left[0]() is not False:
            left.pop(0)
        return not left

    on.run_until(serving({CONNECTOR: venue}), is_done)
