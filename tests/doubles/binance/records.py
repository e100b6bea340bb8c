"""What the exchange keeps: accounts, orders, trades, funds, positions, payments.

Prices in quote per base, quantities in base units, times in integer UTC milliseconds, as on this
wire.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Literal, NamedTuple

from msgspec import Struct

from tests.doubles.binance.symbols import Market

Side = Literal["BUY", "SELL"]
OrderType = Literal["LIMIT", "MARKET", "LIMIT_MAKER"]
TimeInForce = Literal["GTC", "IOC", "FOK", "GTX"]
Status = Literal["NEW", "PARTIALLY_FILLED", "FILLED", "CANCELED", "EXPIRED"]
PositionSide = Literal["BOTH", "LONG", "SHORT"]
Execution = Literal["NEW", "TRADE", "CANCELED", "EXPIRED"]
ZERO = Decimal(0)
OPEN: frozenset[Status] = frozenset({"NEW", "PARTIALLY_FILLED"})


class Account(Struct, frozen=True, kw_only=True):
    name: str
    key: str
    secret: str
    can_read: bool = True
    can_trade: bool = True
    can_withdraw: bool = False


class Order(Struct, kw_only=True):
    market: Market
    symbol: str
    order_id: int
    account: str
    client_order_id: str
    side: Side
    type: OrderType
    time_in_force: TimeInForce
    quantity: Decimal
    price: Decimal
    """0 for MARKET orders."""
    created_ms: int
    updated_ms: int
    filled: Decimal = ZERO
    quote_filled: Decimal = ZERO
    status: Status = "NEW"
    locked: Decimal = ZERO
    position_side: PositionSide = "BOTH"
    reduce_only: bool = False

    @property
    def remaining(self) -> Decimal:
        return self.quantity - self.filled

    @property
    def is_open(self) -> bool:
        return self.status in OPEN


class Trade(Struct, frozen=True, kw_only=True):
    """One side of a trade; a self-trade is two of them with one id."""

    market: Market
    symbol: str
    trade_id: int
    order_id: int
    client_order_id: str
    account: str
    side: Side
    price: Decimal
    quantity: Decimal
    fee: Decimal
    fee_asset: str
    is_maker: bool
    time_ms: int
    position_side: PositionSide = "BOTH"
    realized: Decimal = ZERO


class PublicTrade(Struct, frozen=True, kw_only=True):
    symbol: str
    trade_id: int
    price: Decimal
    quantity: Decimal
    time_ms: int
    is_buyer_maker: bool


class Funds(Struct):
    free: Decimal = ZERO
    locked: Decimal = ZERO


class Position(Struct):
    amount: Decimal = ZERO
    """Below 0 is short."""
    entry_price: Decimal = ZERO
    updated_ms: int = 0


IncomeKind = Literal["FUNDING_FEE", "COMMISSION", "REALIZED_PNL"]


class Income(Struct, frozen=True, kw_only=True):
    account: str
    symbol: str
    kind: IncomeKind
    amount: Decimal
    asset: str
    time_ms: int
    transaction_id: int


class RequestRow(Struct, frozen=True, kw_only=True):
    """A trading request as it arrived, whatever became of it."""

    at_ms: int
    account: str
    method: str
    path: str
    client_order_id: str
    outcome: str
    """`accepted`, `fault` where a fault kept it away, or the code it was refused with."""


class OrderEvent(NamedTuple):
    order: Order
    """As it was then."""
    execution: Execution
    trade: Trade | None
    cancel_id: str


class HoldingsEvent(NamedTuple):
    """Funds and positions as they were then, of what changed."""

    account: str
    market: Market
    reason: str
    """`ORDER`, `FUNDING_FEE`, `DEPOSIT`."""
    funds: Sequence[tuple[str, Decimal, Decimal]]
    """Asset, free and locked; of futures the wallet balance twice."""
    positions: Sequence[tuple[str, PositionSide, Decimal, Decimal]] = ()
    """Symbol, side, amount and entry price."""


UserEvent = OrderEvent | HoldingsEvent


class NewOrder(NamedTuple):
    """A request to place, parsed and not judged yet."""

    symbol: str
    client_order_id: str
    side: Side
    type: OrderType
    time_in_force: TimeInForce
    quantity: Decimal
    price: Decimal | None
    position_side: PositionSide = "BOTH"
    reduce_only: bool = False
