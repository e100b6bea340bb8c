"""What an order owes: to be placed, to be asked for, to be cancelled.

The surprising thing: a closed order that came alive at its venue has a row again. In old logs only
one whose cancellation was asked for, and of that only the venue says when it ends.
"""

from decimal import Decimal
from typing import get_args

from msgspec import structs

from domain import order_messages as messages
from domain.amounts import plus
from domain.order import TERMINAL, Order, Status, next_status
from domain.order_messages import (
    CancelRequested,
    OrderDispatched,
    OrderFilled,
    OrderPlaced,
    OrderRevived,
    ResendAllowed,
)
from projections.effect import EffectRow, Rule
from projections.projection import Fact

ZERO = Decimal(0)
UNBOUNDED = Decimal("Infinity")
"""Stands for the quantity of an order that came alive again: only the venue says when it ends."""


def _evolve(row: EffectRow | None, fact: Fact, key: str) -> EffectRow | None:
    match fact.event:
        case OrderPlaced():
            return _placed(fact.event, fact, key)
        case _ if row is None:
            return _late(fact, key)
        case _:
            return _moved(row, fact)


def _placed(event: OrderPlaced, fact: Fact, key: str) -> EffectRow:
    return EffectRow(
        key=key,
        kind="place",
        account=event.account,
        connector=event.connector,
        pair=event.pair,
        due_us=fact.metadata.recorded_at_us,
        status="requested",
        client_order_id=event.client_order_id,
        side=event.side,
        order_type=event.order_type,
        quantity=event.quantity,
        price=event.price,
        position_action=event.position_action,
        correlation_id=fact.metadata.correlation_id,
        position=fact.position,
    )


def _late(fact: Fact, key: str) -> EffectRow | None:
    """An event of a closed order that came alive: it is watched again, or to be cancelled."""
    event = fact.event
    if not isinstance(event, CancelRequested | OrderRevived):
        return None
    is_cancel = isinstance(event, CancelRequested)
    return EffectRow(
        key=key,
        kind="cancel" if is_cancel else None,
        account=fact.metadata.account or "",
        connector=fact.metadata.connector or "",
        pair=fact.metadata.pair,
        due_us=fact.metadata.recorded_at_us,
        status="open",
        is_cancel_requested=is_cancel,
        client_order_id=fact.stream.removeprefix("order-"),
        quantity=event.quantity if isinstance(event, OrderRevived) else None,
        filled=event.filled if isinstance(event, OrderRevived) else ZERO,
        correlation_id=fact.metadata.correlation_id,
        position=fact.position,
    )


def _moved(row: EffectRow, fact: Fact) -> EffectRow | None:
    event = fact.event
    order = Order(
        row.status, quantity=UNBOUNDED if row.quantity is None else row.quantity, filled=row.filled
    )
    status = next_status(order, event)  # type: ignore[arg-type]  # only order tags come here
    if status in TERMINAL:
        return None
    is_cancel = row.is_cancel_requested or isinstance(event, CancelRequested)
    return structs.replace(
        row,
        kind=_kind(status, is_cancel=is_cancel),
        status=status,
        is_cancel_requested=is_cancel,
        is_resend_allowed=(
            isinstance(event, ResendAllowed)
            or (row.is_resend_allowed and not isinstance(event, OrderDispatched))
        ),
        attempt=event.attempt if isinstance(event, OrderDispatched) else row.attempt,
        send_by_us=event.send_by_us if isinstance(event, OrderDispatched) else row.send_by_us,
        due_us=(
            event.send_by_us if isinstance(event, OrderDispatched) else fact.metadata.recorded_at_us
        ),
        filled=plus(row.filled, event.quantity) if isinstance(event, OrderFilled) else row.filled,
        position=fact.position,
    )


def _kind(status: Status, *, is_cancel: bool) -> str | None:
    match status:
        case "requested":
            return "place"
        case "dispatched" | "unknown":
            return "resolve"
        case _:
            return "cancel" if is_cancel else None


RULES = dict.fromkeys(get_args(messages.Event), Rule(_evolve))
