"""What Aviary asks of a trading venue, and what a venue may answer.

Quantities are in base units, prices in quote per base, both exact decimals; times are integer UTC
microseconds of the venue's clock. The surprising thing: an error while placing is never proof
that nothing was placed, unless it is `VenueRefused`.
"""

from collections.abc import AsyncIterator, Sequence
from decimal import Decimal
from typing import Literal, Protocol

from msgspec import Struct

Side = Literal["BUY", "SELL"]
OrderType = Literal["LIMIT", "MARKET", "LIMIT_MAKER"]
PositionAction = Literal["OPEN", "CLOSE"]
PositionSide = Literal["LONG", "SHORT"]
PositionMode = Literal["ONEWAY", "HEDGE"]
VenueStatus = Literal["open", "filled", "cancelled", "expired", "rejected"]


class VenueRefused(Exception):  # noqa: N818 - the venue's decision, not a fault
    """The venue answered and said no; nothing was placed or changed. Carries the venue's code."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text


class VenueUnreachable(Exception):  # noqa: N818 - says what is known: nothing
    """No answer, or one that proves nothing (timeout, cut connection, 5xx). Outcome unknown."""


class VenueBusy(VenueUnreachable):
    """The venue wants fewer requests; nothing else is known."""

    def __init__(self, text: str, retry_after_seconds: float = 5.0) -> None:
        super().__init__(text)
        self.retry_after_seconds = retry_after_seconds


class OrderRequest(Struct, frozen=True, kw_only=True):
    client_order_id: str
    pair: str
    side: Side
    order_type: OrderType
    quantity: Decimal
    price: Decimal | None
    expires_at_us: int
    """The venue refuses the request (code `request_expired`) when it arrives after this time."""
    position_action: PositionAction = "OPEN"
    """At a perpetual venue CLOSE only ever makes a position smaller."""


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
    """The venue's own order of the trades of an account, or of one of its pairs."""
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
    bid: Decimal | None
    ask: Decimal | None
    last: Decimal
    at_us: int
    base_volume: Decimal | None = None
    """Of the last 24 hours, as all volumes of tickers."""
    quote_volume: Decimal | None = None


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
    quote_volume: Decimal | None = None
    trades: int | None = None
    taker_base_volume: Decimal | None = None
    taker_quote_volume: Decimal | None = None


class TradePage(Struct, frozen=True, kw_only=True):
    trades: tuple[VenueTrade, ...]
    cursor: str
    """Opaque; where the next page begins."""
    has_more: bool


class Access(Struct, frozen=True, kw_only=True):
    """What a venue lets a credential do; None where the venue does not say."""

    can_trade: bool | None
    can_withdraw: bool | None


class Position(Struct, frozen=True, kw_only=True):
    pair: str
    side: PositionSide
    quantity: Decimal
    """In base units, above 0."""
    entry_price: Decimal | None
    unrealized_pnl: Decimal | None
    leverage: Decimal | None
    at_us: int


class FundingPayment(Struct, frozen=True, kw_only=True):
    payment_id: str
    """The venue's, or made of pair, time and amount where it has none; unique per account."""
    pair: str
    amount: Decimal
    """Below 0 where we paid."""
    token: str
    rate: Decimal | None
    position_quantity: Decimal | None
    position_side: PositionSide | None
    paid_at_us: int


class FundingPage(Struct, frozen=True, kw_only=True):
    payments: tuple[FundingPayment, ...]
    cursor: str
    has_more: bool


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
    position_modes: tuple[PositionMode, ...] = ()


class OrderUpdate(Struct, frozen=True, tag="order"):
    order: VenueOrder


class TradeUpdate(Struct, frozen=True, tag="trade"):
    trade: VenueTrade


class StreamConnected(Struct, frozen=True, tag="connected"):
    """First message after each (re)connect: what was missed must now be asked for."""


class HoldingsChanged(Struct, frozen=True, tag="holdings"):
    """Balances or positions are other than before; they must be asked for."""


UserUpdate = OrderUpdate | TradeUpdate | StreamConnected | HoldingsChanged


class Venue(Protocol):
    """One venue for one account. Every method may raise VenueUnreachable within its time limit.

    What a venue has not at all is refused with the code `not_supported`. One whose traits say
    `is_perpetual` is a PerpetualVenue.
    """

    traits: Traits

    async def place(self, request: OrderRequest) -> VenueOrder:
        """Place once; raises VenueRefused when the venue said no."""

    async def cancel(self, pair: str, client_order_id: str) -> VenueOrder:
        """Cancel; answers the order as it then is. VenueRefused `unknown_order` if not there."""

    async def order(self, pair: str, client_order_id: str) -> VenueOrder | None:
        """Look one order up, whatever its status; None when the venue does not know it."""

    async def open_orders(self) -> tuple[VenueOrder, ...]: ...

    async def trades_since(
        self, cursor: str | None, pairs: Sequence[str], /, limit: int = 500
    ) -> TradePage:
        """Our trades after the cursor, ascending for each pair; None is the beginning.

        Venues that tell trades only pair by pair look at `pairs` and those that the cursor holds.
        """

    async def trades_of(self, pair: str, client_order_id: str) -> tuple[VenueTrade, ...]: ...

    async def balances(self) -> tuple[Balance, ...]: ...

    async def access(self) -> Access:
        """Make one authenticated call; VenueRefused when the credential is no good."""

    async def time_us(self) -> int:
        """The venue's clock."""

    def expect(self, client_order_ids: Sequence[str]) -> None:
        """Orders of ours that it may tell of, for a venue that takes no names like ours.

        Called for these alone: after a start nothing else says whose a number is.
        """

    def updates(self) -> AsyncIterator[UserUpdate]:
        """The private stream; reconnects by itself and says StreamConnected each time."""

    async def close(self) -> None: ...


class PerpetualVenue(Venue, Protocol):
    async def positions(self) -> tuple[Position, ...]:
        """Those that are not empty."""

    async def set_leverage(self, pair: str, leverage: int) -> None: ...

    async def position_mode(self) -> PositionMode: ...

    async def set_position_mode(self, mode: PositionMode) -> None: ...

    async def funding_payments(
        self, cursor: str | None, pairs: Sequence[str], limit: int = 500
    ) -> FundingPage:
        """As `trades_since`."""
