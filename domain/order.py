"""One order at a venue: what may be asked of it and what then is true.

Quantities are in base units, prices in quote per base, both exact decimals; times are integer UTC
microseconds. The surprising thing: what a venue told us is never refused, in whatever order it
arrives. A fill may come before the acknowledgement and after the cancellation, and counts once.
"""

from decimal import Decimal
from typing import Literal, assert_never

from msgspec import Struct, structs

from domain.amounts import plus
from domain.log import Routing
from domain.order_guards import Guards, check_dispatch, check_place, place
from domain.order_messages import (
    AllowResend,
    CancelOrder,
    CancelRequested,
    CloseStarted,
    Command,
    DispatchOrder,
    Event,
    Extent,
    OrderAccepted,
    OrderCancelled,
    OrderDispatched,
    OrderExpired,
    OrderFilled,
    OrderFound,
    OrderNotAtVenue,
    OrderOutcomeUnknown,
    OrderPlaced,
    OrderRejectedByVenue,
    OrderRevived,
    OrderUndeliverable,
    OrderWithdrawn,
    PlaceOrder,
    RecordAccepted,
    RecordClosed,
    RecordFill,
    RecordNotFound,
    RecordRejected,
    RecordUnknown,
    ResendAllowed,
    Side,
)
from domain.refusal import Refused

Status = Literal[
    "new",
    "requested",
    "dispatched",
    "unknown",
    "open",
    "filled",
    "cancelled",
    "rejected",
    "expired",
]
ATTEMPTS_MAX = 5
ZERO = Decimal(0)
TERMINAL = ("filled", "cancelled", "rejected", "expired")


class Order(Struct, frozen=True):
    status: Status = "new"
    account: str = ""
    connector: str = ""
    pair: str = ""
    side: Side = "BUY"
    quantity: Decimal = ZERO
    filled: Decimal = ZERO
    attempt: int = 0
    exchange_order_id: str | None = None
    is_cancel_requested: bool = False
    trades: frozenset[str] = frozenset()
    closing: Extent | None = None
    resend_allowed: int = 0
    """The attempt after which another one was allowed without proof."""

    @property
    def is_live(self) -> bool:
        """Placed, and not closed yet."""
        return self.status not in TERMINAL and self.status != "new"


def stream(client_order_id: str) -> str:
    return f"order-{client_order_id}"


def decide(command: Command, order: Order, guards: Guards) -> tuple[Event, ...]:
    if order.status == "new" and not isinstance(command, PlaceOrder):
        raise Refused("unknown_order", "There is no such order.")
    match command:
        case PlaceOrder():
            check_place(command, guards)
            if order.status != "new":
                text = f"Order {command.client_order_id!r} exists already."
                raise Refused("order_exists", text)
            return place(command, guards)
        case CancelOrder():
            return _cancel(order)
        case DispatchOrder(attempt, lease, send_by_us):
            check_dispatch(guards)
            if order.status != "requested" or attempt != order.attempt + 1:
                raise Refused(
                    "not_dispatchable",
                    f"The order is {order.status} after attempt {order.attempt}; attempt {attempt} "
                    "is not the next one.",
                )
            return (OrderDispatched(attempt, lease, send_by_us),)
        case RecordAccepted(exchange_order_id):
            return _accept(order, exchange_order_id)
        case RecordRejected(code, text, attempt):
            if order.status not in ("dispatched", "unknown") or attempt != order.attempt:
                return ()  # An older attempt's answer says nothing about what is true now.
            return (OrderRejectedByVenue(code, text, attempt),)
        case RecordFill():
            if command.trade_id in order.trades:
                return ()  # Venues resend. A trade counts once.
            return _fill(command, order)
        case RecordClosed(how, reason):
            if order.status in TERMINAL:
                return ()
            if how == "expired":
                return (OrderExpired(reason),)
            return (OrderCancelled(reason, "us" if order.is_cancel_requested else "venue"),)
        case RecordUnknown(reason, attempt):
            if order.status != "dispatched" or attempt != order.attempt:
                return ()
            return (OrderOutcomeUnknown(reason, attempt),)
        case RecordNotFound(attempt):
            return _not_found(order, attempt)
        case AllowResend():
            return _allow_resend(order)
        case _:
            assert_never(command)


def _accept(order: Order, exchange_order_id: str) -> tuple[Event, ...]:
    if order.exchange_order_id is not None:
        return ()
    if order.status == "unknown":
        return (OrderFound(exchange_order_id),)
    return (OrderAccepted(exchange_order_id),)


def _fill(command: RecordFill, order: Order) -> tuple[Event, ...]:
    fill = OrderFilled(*structs.astuple(command))
    if order.status != "rejected" or next_status(order, fill) == "filled":
        return (fill,)
    return (fill, OrderRevived(order.quantity, plus(order.filled, command.quantity)))


def _cancel(order: Order) -> tuple[Event, ...]:
    match order.status:
        case "requested":
            return (CancelRequested(), OrderWithdrawn())
        case "dispatched" | "unknown" | "open":
            return () if order.is_cancel_requested else (CancelRequested(),)
        case "cancelled":
            return ()
        case "new" | "filled" | "rejected" | "expired":
            raise Refused(
                "order_closed", f"The order is {order.status} already and cannot be cancelled."
            )
        case _:
            assert_never(order.status)


def _allow_resend(order: Order) -> tuple[Event, ...]:
    if order.status != "unknown":
        raise Refused(
            "outcome_known",
            f"The order is {order.status}; only one whose outcome is unknown can be sent again.",
        )
    is_allowed = order.resend_allowed == order.attempt
    return () if is_allowed else (ResendAllowed(order.attempt),)


def _not_found(order: Order, attempt: int) -> tuple[Event, ...]:
    if order.status not in ("dispatched", "unknown") or attempt != order.attempt:
        return ()
    if order.is_cancel_requested:
        return (OrderNotAtVenue(attempt), OrderWithdrawn())
    if attempt >= ATTEMPTS_MAX:
        return (OrderNotAtVenue(attempt), OrderUndeliverable(attempt))
    return (OrderNotAtVenue(attempt),)


def evolve(order: Order, event: Event) -> Order:
    status = next_status(order, event)
    match event:
        case OrderPlaced():
            return Order(
                status, event.account, event.connector, event.pair, event.side, event.quantity
            )
        case CloseStarted(extent):
            return structs.replace(order, closing=extent)
        case OrderDispatched(attempt):
            return structs.replace(order, status=status, attempt=attempt)
        case OrderAccepted(exchange_order_id) | OrderFound(exchange_order_id):
            return structs.replace(order, status=status, exchange_order_id=exchange_order_id)
        case OrderFilled(trade_id, _, quantity):
            return structs.replace(
                order,
                status=status,
                # An order that comes alive after a rejection can be cancelled anew.
                is_cancel_requested=order.is_cancel_requested and order.status != "rejected",
                filled=plus(order.filled, quantity),
                trades=order.trades | {trade_id},
            )
        case CancelRequested():
            return structs.replace(order, is_cancel_requested=True)
        case ResendAllowed(attempt):
            return structs.replace(order, resend_allowed=attempt)
        case _:
            return structs.replace(order, status=status)


def next_status(order: Order, event: Event) -> Status:
    """Every transition of an order, one a line; what no line allows leaves the status alone."""
    filled = plus(order.filled, event.quantity) if isinstance(event, OrderFilled) else order.filled
    match order.status, event:
        case "new", OrderPlaced():
            return "requested"
        case "requested", OrderDispatched():
            return "dispatched"
        case "requested" | "dispatched" | "unknown", OrderAccepted() | OrderFound():
            return "open"
        case "dispatched", OrderOutcomeUnknown():
            return "unknown"
        case "dispatched" | "unknown", OrderNotAtVenue():
            return "requested"  # Nothing left that could arrive: another attempt is safe.
        case "dispatched" | "unknown", OrderRejectedByVenue():
            return "rejected"
        case "requested", OrderUndeliverable():
            return "rejected"
        case "requested", OrderWithdrawn():
            return "cancelled"
        case _, OrderFilled() if filled >= order.quantity:
            return "filled"  # Also after a cancel or a rejection: the venue's trade is a fact.
        case "requested" | "dispatched" | "unknown", OrderFilled():
            return "open"  # A fill before the acknowledgement proves that the order is there.
        case "rejected", OrderFilled():
            return "open"  # It was there after all.
        case "filled" | "rejected", OrderCancelled() | OrderExpired():
            return order.status
        case _, OrderCancelled():
            return "cancelled"
        case _, OrderExpired():
            return "expired"
        case _:
            return order.status


def routing(order: Order) -> Routing:
    return Routing(order.account, order.connector, order.pair)
