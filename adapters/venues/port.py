"""What Aviary asks of a trading venue, and what a venue may answer.

Quantities are in base units, prices in quote per base, both exact decimals; times are integer UTC
microseconds of the venue's clock. The surprising thing: an error while placing is never proof
that nothing was placed, unless it is `VenueRefused`.
"""

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Literal, Protocol

from msgspec import Struct

Side = Literal["BUY", "SELL"]
OrderType = Literal["LIMIT", "MARKET", "LIMIT_MAKER"]
VenueStatus = Literal["open", "filled", "cancelled", "expired", "rejected"]


class VenueRefused(Exception):  # noqa: N818 - the venue's decision, not a fault
    """The venue answered and said no; nothing was placed or changed. Carries the venue's code."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text


class VenueUnreachable(Exception):  # noqa: N818 - says what is known: nothing
    """No answer, or one that proves nothing (timeout, cut connection, 5xx). Outcome unknown."""


class OrderRequest(Struct, frozen=True, kw_only=True):
    client_order_id: str
    pair: str
    side: Side
    order_type: OrderType
    quantity: Decimal
    price: Decimal | None
    expires_at_us: int
    """The venue refuses the request (code `request_expired`) when it arrives after this time."""


class VenueOrder(Struct, frozen=True, kw_only=True):
    client_order_id: str
    exchange_order_id: str
    pair: str
    side: Side
    order_type: OrderType
    quantity: Decimal
    price: Decimal | None
    status: VenueStatus
    filled_quantity: Decimal
    created_at_us: int
    updated_at_us: int
    reason: str | None = None


class VenueTrade(Struct, frozen=True, kw_only=True):
    trade_id: str
    """Unique per pair; a self-trade shows one trade id on two orders."""
    sequence: int
    """Ascending cursor for `trades_since`, per account."""
    client_order_id: str
    exchange_order_id: str
    pair: str
    side: Side
    quantity: Decimal
    price: Decimal
    fee: Decimal
    fee_token: str
    is_maker: bool
    executed_at_us: int


class TradingRule(Struct, frozen=True, kw_only=True):
    pair: str
    base: str
    quote: str
    tick: Decimal
    lot: Decimal
    quantity_min: Decimal
    quantity_max: Decimal | None
    notional_min: Decimal
    order_types: tuple[OrderType, ...]


class Balance(Struct, frozen=True, kw_only=True):
    token: str
    total: Decimal
    available: Decimal


class Ticker(Struct, frozen=True, kw_only=True):
    pair: str
    bid: Decimal
    ask: Decimal
    last: Decimal
    at_us: int


class OrderBook(Struct, frozen=True, kw_only=True):
    pair: str
    bids: tuple[tuple[Decimal, Decimal], ...]
    asks: tuple[tuple[Decimal, Decimal], ...]
    at_us: int


class Candle(Struct, frozen=True, kw_only=True):
    start_us: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal


class Traits(Struct, frozen=True, kw_only=True):
    """What a venue promises, and what it cannot do."""

    name: str
    has_request_expiry: bool
    """Without it an order with unknown outcome is never sent again without an operator."""
    lookup_lag_us: int
    """How long after acceptance a lookup by client order id may still miss the order."""
    clock_skew_max_us: int
    client_order_id_pattern: str
    client_order_id_length_max: int
    is_perpetual: bool = False
    has_user_stream: bool = True


class OrderUpdate(Struct, frozen=True, tag="order"):
    order: VenueOrder


class TradeUpdate(Struct, frozen=True, tag="trade"):
    trade: VenueTrade


class StreamConnected(Struct, frozen=True, tag="connected"):
    """First message after each (re)connect: what was missed must now be asked for."""


UserUpdate = OrderUpdate | TradeUpdate | StreamConnected


class Venue(Protocol):
    """One venue for one account. Every method may raise VenueUnreachable within its time limit."""

    traits: Traits

    async def place(self, request: OrderRequest) -> VenueOrder:
        """Place once; raises VenueRefused when the venue said no."""

    async def cancel(self, pair: str, client_order_id: str) -> VenueOrder:
        """Cancel; answers the order as it then is. VenueRefused `unknown_order` if not there."""

    async def order(self, pair: str, client_order_id: str) -> VenueOrder | None:
        """Look one order up, whatever its status; None when the venue does not know it."""

    async def open_orders(self) -> tuple[VenueOrder, ...]: ...

    async def trades_since(self, sequence: int, limit: int = 500) -> tuple[VenueTrade, ...]:
        """Trades with a sequence above `sequence`, ascending, at most `limit`."""

    async def trades_of(self, pair: str, client_order_id: str) -> tuple[VenueTrade, ...]: ...

    async def balances(self) -> tuple[Balance, ...]: ...

    async def trading_rules(self) -> tuple[TradingRule, ...]: ...

    async def ticker(self, pair: str) -> Ticker: ...

    async def order_book(self, pair: str, depth: int = 10) -> OrderBook: ...

    async def candles(
        self, pair: str, interval: str, start_us: int | None = None, limit: int = 500
    ) -> tuple[Candle, ...]: ...

    async def time_us(self) -> int:
        """The venue's clock."""

    def updates(self) -> AsyncIterator[UserUpdate]:
        """The private stream; reconnects by itself and says StreamConnected each time."""

    async def close(self) -> None: ...
