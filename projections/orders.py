"""One row per order: what it is, where it stands, and why.

Quantities in base units, notional and prices in quote; times in integer UTC microseconds.
"""

from decimal import Decimal

from msgspec import Struct, structs

from domain import order_messages as messages
from domain.amounts import plus, times
from domain.order import TERMINAL, Order, Status, next_status
from domain.order_messages import (
    CancelRequested,
    OrderAccepted,
    OrderCancelled,
    OrderDispatched,
    OrderExpired,
    OrderFilled,
    OrderFound,
    OrderOutcomeUnknown,
    OrderPlaced,
    OrderRejectedByVenue,
    OrderUndeliverable,
)
from projections.projection import Fact, Projection
from projections.tags import tags_of

ZERO = Decimal(0)


class OrderRow(Struct, frozen=True, kw_only=True):
    key: str
    account: str
    connector: str
    pair: str
    side: str
    order_type: str
    position_action: str
    quantity: Decimal
    price: Decimal | None
    outcome: Status = "requested"
    status: str = "SUBMITTED"
    is_active: bool = True
    is_cancel_requested: bool = False
    filled: Decimal = ZERO
    filled_notional: Decimal = ZERO
    fees: dict[str, Decimal] = {}
    exchange_order_id: str | None = None
    error_message: str | None = None
    attempt: int = 0
    command_id: str
    actor: str
    created_at_us: int
    updated_at_us: int
    unknown_since_us: int | None = None
    created_position: int
    position: int


def keys(fact: Fact) -> tuple[str, ...]:
    return (fact.stream.removeprefix("order-"),)


def evolve(row: OrderRow | None, fact: Fact, key: str) -> OrderRow | None:
    event, at_us = fact.event, fact.metadata.recorded_at_us
    if isinstance(event, OrderPlaced):
        return _placed(event, fact, key)
    if row is None:
        raise ValueError(f"Order {key} has the event {event!r} before it was placed.")
    order = Order(row.outcome, quantity=row.quantity, filled=row.filled)
    outcome = next_status(order, event)  # type: ignore[arg-type]  # only order tags come here
    row = _told(row, fact)
    is_unknown = outcome == "unknown"
    row = structs.replace(
        row,
        outcome=outcome,
        is_active=outcome not in TERMINAL,
        unknown_since_us=(row.unknown_since_us or at_us) if is_unknown else None,
        updated_at_us=at_us,
        position=fact.position,
    )
    return structs.replace(row, status=wire_status(row))


def _placed(event: OrderPlaced, fact: Fact, key: str) -> OrderRow:
    return OrderRow(
        key=key,
        account=event.account,
        connector=event.connector,
        pair=event.pair,
        side=event.side,
        order_type=event.order_type,
        position_action=event.position_action,
        quantity=event.quantity,
        price=event.price,
        command_id=fact.metadata.command_id,
        actor=fact.metadata.actor,
        created_at_us=fact.metadata.recorded_at_us,
        updated_at_us=fact.metadata.recorded_at_us,
        created_position=fact.position,
        position=fact.position,
    )


def _told(row: OrderRow, fact: Fact) -> OrderRow:
    """The row with what this one event says, its status aside."""
    match fact.event:
        case OrderDispatched(attempt):
            return structs.replace(row, attempt=attempt)
        case OrderAccepted(exchange_order_id) | OrderFound(exchange_order_id):
            return structs.replace(row, exchange_order_id=exchange_order_id, error_message=None)
        case OrderFilled(_, _, quantity, price, fee, fee_token):
            return structs.replace(
                row,
                filled=plus(row.filled, quantity),
                is_cancel_requested=row.is_cancel_requested and row.outcome != "rejected",
                filled_notional=plus(row.filled_notional, times(quantity, price)),
                fees={**row.fees, fee_token: plus(row.fees.get(fee_token, ZERO), fee)},
            )
        case CancelRequested():
            return structs.replace(row, is_cancel_requested=True)
        case OrderRejectedByVenue(code, text):
            return structs.replace(row, error_message=f"{code}: {text}")
        case OrderUndeliverable(attempts):
            text = f"undeliverable: {attempts} attempts, none of which reached the venue"
            return structs.replace(row, error_message=text)
        case OrderOutcomeUnknown(reason):
            return structs.replace(row, error_message=f"outcome unknown: {reason}")
        case OrderCancelled(reason) | OrderExpired(reason):
            return structs.replace(row, error_message=reason or None)
        case _:
            return row


def wire_status(row: OrderRow) -> str:
    """What clients of the wire contract call it."""
    match row.outcome:
        case "filled":
            return "FILLED"
        case "rejected":
            return "FAILED"
        case "cancelled" | "expired":
            return "CANCELLED"
        case _ if row.is_cancel_requested:
            return "PENDING_CANCEL"
        case "open":
            return "PARTIALLY_FILLED" if row.filled else "OPEN"
        case _:
            return "SUBMITTED"


PROJECTION = Projection(
    "orders", OrderRow, tags_of(messages.Event), keys, evolve, is_keyed_by_stream=True
)
