"""What may be asked of an order, and what can have happened to it.

Commands first, then events; event tags are storage: add, never edit, never reuse. Quantities are in
base units, prices in quote per base, both exact decimals; times are integer UTC microseconds.
"""

from decimal import Decimal
from typing import Literal

from msgspec import Struct

Side = Literal["BUY", "SELL"]
OrderType = Literal["LIMIT", "MARKET", "LIMIT_MAKER"]
PositionAction = Literal["OPEN", "CLOSE"]
PositionSide = Literal["LONG", "SHORT"]
Extent = Literal["part", "full"]
"""Of a position that is closed."""


class PlaceOrder(Struct, frozen=True, tag="order.place"):
    account: str
    connector: str
    pair: str
    side: Side
    order_type: OrderType
    quantity: Decimal
    price: Decimal | None
    position_action: PositionAction
    client_order_id: str
    asked_quantity: Decimal | None = None
    """What the client wrote, where the venue's lot made `quantity` differ from it."""
    asked_price: Decimal | None = None
    # From here on what only the decision needs; events of their own keep what it rested on.
    reference_price: Decimal | None = None
    """The venue's best price, for an account with a limit of an order's worth, where the order
    names none or, selling, only the least."""
    closing: Extent | None = None
    """The order closes a position: one at a time, never more than is held. Full: all of that."""
    is_reduce_only: bool = False
    """The venue lets the order make a position smaller and nothing else."""
    open_orders_max: int | None = None
    """Of this process, whatever limits the account has."""


class CancelOrder(Struct, frozen=True, tag="order.cancel"):
    pass


class DispatchOrder(Struct, frozen=True, tag="order.dispatch"):
    attempt: int
    lease: int
    send_by_us: int
    account: str = ""
    """Whose kill switch stops it; the one for all always does."""


class RecordAccepted(Struct, frozen=True, tag="order.record_accepted"):
    exchange_order_id: str


class RecordRejected(Struct, frozen=True, tag="order.record_rejected"):
    code: str
    text: str
    attempt: int


class RecordFill(Struct, frozen=True, tag="order.record_fill"):
    trade_id: str
    side: Side
    quantity: Decimal
    price: Decimal
    fee: Decimal
    fee_token: str
    is_maker: bool
    executed_at_us: int


class RecordClosed(Struct, frozen=True, tag="order.record_closed"):
    """The venue says that the order rests no longer, though it was not filled in full."""

    how: Literal["cancelled", "expired"]
    reason: str


class RecordUnknown(Struct, frozen=True, tag="order.record_unknown"):
    reason: str
    attempt: int


class RecordNotFound(Struct, frozen=True, tag="order.record_not_found"):
    """The venue does not know the order, at a time when that is definite."""

    attempt: int


class AllowResend(Struct, frozen=True, tag="order.allow_resend"):
    """Somebody answers for it that the order may be sent again if the venue does not show it."""


class OrderPlaced(Struct, frozen=True, tag="order.placed.v1"):
    """The order is wanted; nothing was sent to the venue yet."""

    account: str
    connector: str
    pair: str
    """Base and quote, such as `BTC-USDT`."""
    side: Side
    order_type: OrderType
    quantity: Decimal
    """In base units, cut to the venue's lot."""
    price: Decimal | None
    """The limit in quote per base, cut to the venue's tick; null for a market order."""
    position_action: PositionAction
    client_order_id: str
    asked_quantity: Decimal | None = None
    """What the client wrote, where the venue's lot made `quantity` differ from it."""
    asked_price: Decimal | None = None
    """What the client wrote, where the venue's tick made `price` differ from it."""


class OrderValued(Struct, frozen=True, tag="order.valued.v1"):
    """An order that may trade above its price, or has none, was held against its limit at this."""

    reference_price: Decimal
    """The venue's best price for it at that moment, in quote per base."""


class CloseStarted(Struct, frozen=True, tag="order.close_started.v1"):
    """The order closes a position and does nothing else; until it ends no other one may."""

    extent: Extent
    """`full` for all that was held."""
    held: Decimal
    """Of the position, in base units, as it was known."""
    asked_at_us: int
    """When the venue was asked for the position."""


class OrderDispatched(Struct, frozen=True, tag="order.dispatched.v1"):
    """From here on a request may reach the venue; written before it is sent."""

    attempt: int
    """Counts from 1."""
    lease: int
    """Number of the lease under which the dispatcher acts for the account."""
    send_by_us: int
    """The venue refuses the request after this time."""


class OrderAccepted(Struct, frozen=True, tag="order.accepted.v1"):
    """The venue has the order."""

    exchange_order_id: str


class OrderFound(Struct, frozen=True, tag="order.found.v1"):
    """An order whose outcome was unknown is at the venue after all."""

    exchange_order_id: str


class OrderRejectedByVenue(Struct, frozen=True, tag="order.rejected.v1"):
    """The venue refused the order; a fill may still show that it was there after all."""

    code: str
    """The venue's own, as it wrote it."""
    text: str
    attempt: int


class OrderFilled(Struct, frozen=True, tag="order.filled.v1"):
    """One trade of the order, once, however often the venue told it."""

    trade_id: str
    """The venue's."""
    side: Side
    quantity: Decimal
    """Of this trade, in base units."""
    price: Decimal
    """In quote per base."""
    fee: Decimal
    """In units of `fee_token`."""
    fee_token: str
    is_maker: bool
    executed_at_us: int
    """By the venue's clock."""


class OrderRevived(Struct, frozen=True, tag="order.revived.v1"):
    """The venue had refused the order, and a trade shows that it was there after all."""

    quantity: Decimal
    """Of the order, in base units."""
    filled: Decimal
    """Of that, so far."""


class CancelRequested(Struct, frozen=True, tag="order.cancel_requested.v1"):
    """Somebody wants the order cancelled; it may still be filled."""


class OrderWithdrawn(Struct, frozen=True, tag="order.withdrawn.v1"):
    """Cancelled before anything was sent to the venue."""


class OrderCancelled(Struct, frozen=True, tag="order.cancelled.v1"):
    """The order rests at the venue no longer; what was filled before stays filled."""

    reason: str
    by: Literal["us", "venue"]


class OrderExpired(Struct, frozen=True, tag="order.expired.v1"):
    """The venue ended the order by its own terms."""

    reason: str


class OrderOutcomeUnknown(Struct, frozen=True, tag="order.outcome_unknown.v1"):
    """A request was sent and no answer came: the order may be at the venue or not."""

    reason: str
    attempt: int


class ResendAllowed(Struct, frozen=True, tag="order.resend_allowed.v1"):
    """Nothing proves that this attempt is without effect, and somebody answers for another one.

    It is made only when the venue does not show the order then.
    """

    attempt: int


class OrderNotAtVenue(Struct, frozen=True, tag="order.not_at_venue.v1"):
    """Definitely not there: this attempt can have no effect any more."""

    attempt: int


class OrderUndeliverable(Struct, frozen=True, tag="order.undeliverable.v1"):
    """Given up after so many attempts, none of which is at the venue."""

    attempts: int


Command = (
    PlaceOrder
    | CancelOrder
    | DispatchOrder
    | RecordAccepted
    | RecordRejected
    | RecordFill
    | RecordClosed
    | RecordUnknown
    | RecordNotFound
    | AllowResend
)
Event = (
    OrderPlaced
    | OrderValued
    | CloseStarted
    | OrderDispatched
    | OrderAccepted
    | OrderFound
    | OrderRejectedByVenue
    | OrderFilled
    | OrderRevived
    | CancelRequested
    | OrderWithdrawn
    | OrderCancelled
    | OrderExpired
    | OrderOutcomeUnknown
    | ResendAllowed
    | OrderNotAtVenue
    | OrderUndeliverable
)
