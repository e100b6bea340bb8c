"""What the outside world still owes us: one row per live order and per wanted reconciliation.

`kind` says what a dispatcher should do: `place` it, `resolve` a dispatch without an outcome,
`cancel` it, `reconcile` an account with its venue; null means that nothing is owed now. Rows go
when the order is closed. Times are integer UTC microseconds.
"""

from decimal import Decimal
from typing import Literal

from msgspec import Struct, structs

from domain import order_messages as messages
from domain.amounts import plus
from domain.order import TERMINAL, Order, Status, next_status
from domain.order_messages import CancelRequested, OrderDispatched, OrderFilled, OrderPlaced
from domain.reconciliation import Reconciled, ReconciliationRequested
from projections.projection import Fact, Projection
from projections.tags import tags_of

Kind = Literal["place", "resolve", "cancel", "reconcile"]
ZERO = Decimal(0)
UNBOUNDED = Decimal("Infinity")
"""Stands for the quantity of an order that came alive again: only the venue says when it ends."""


class EffectRow(Struct, frozen=True, kw_only=True):
    key: str
    kind: Kind | None
    account: str
    connector: str
    pair: str | None = None
    due_us: int
    status: Status
    attempt: int = 0
    send_by_us: int | None = None
    is_cancel_requested: bool = False
    client_order_id: str = ""
    side: str | None = None
    order_type: str | None = None
    quantity: Decimal | None = None
    price: Decimal | None = None
    filled: Decimal = ZERO
    position_action: str = "OPEN"
    detail: str | None = None
    """JSON: what an effect other than an order's needs to know."""
    correlation_id: str
    position: int


def keys(fact: Fact) -> tuple[str, ...]:
    if isinstance(fact.event, ReconciliationRequested | Reconciled):
        return (f"reconcile-{fact.event.account}/{fact.event.connector}",)
    return (fact.stream,)


def evolve(row: EffectRow | None, fact: Fact, key: str) -> EffectRow | None:
    match fact.event:
        case ReconciliationRequested():
            return _reconciliation(fact.event, fact, key)
        case Reconciled():
            return None
        case OrderPlaced():
            return _placed(fact.event, fact, key)
        case _ if row is None:
            return _late(fact, key)
        case _:
            return _moved(row, fact)


def _reconciliation(event: ReconciliationRequested, fact: Fact, key: str) -> EffectRow:
    return EffectRow(
        key=key,
        kind="reconcile",
        account=event.account,
        connector=event.connector,
        due_us=event.due_us,
        status="new",
        correlation_id=fact.metadata.correlation_id,
        position=fact.position,
    )


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
    """An event of a closed order: only a new cancellation can still be owed (it came alive)."""
    if not isinstance(fact.event, CancelRequested):
        return None
    return EffectRow(
        key=key,
        kind="cancel",
        account=fact.metadata.account or "",
        connector=fact.metadata.connector or "",
        pair=fact.metadata.pair,
        due_us=fact.metadata.recorded_at_us,
        status="open",
        is_cancel_requested=True,
        client_order_id=fact.stream.removeprefix("order-"),
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
        attempt=event.attempt if isinstance(event, OrderDispatched) else row.attempt,
        send_by_us=event.send_by_us if isinstance(event, OrderDispatched) else row.send_by_us,
        due_us=(
            event.send_by_us if isinstance(event, OrderDispatched) else fact.metadata.recorded_at_us
        ),
        filled=plus(row.filled, event.quantity) if isinstance(event, OrderFilled) else row.filled,
        position=fact.position,
    )


def _kind(status: Status, *, is_cancel: bool) -> Kind | None:
    match status:
        case "requested":
            return "place"
        case "dispatched" | "unknown":
            return "resolve"
        case _:
            return "cancel" if is_cancel else None


PROJECTION = Projection(
    "open_effects",
    EffectRow,
    tags_of(messages.Event, ReconciliationRequested, Reconciled),
    keys,
    evolve,
)
