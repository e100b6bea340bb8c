"""What one row of `open_effects` is, and how an aggregate says which of its events make one.

An aggregate that owes the outside world something has a table of event types to `Rule`; the tables
meet in `open_effects.py`. Times are integer UTC microseconds.
"""

from collections.abc import Callable
from decimal import Decimal

from msgspec import Struct

from domain.order import Status
from projections.projection import Fact

ZERO = Decimal(0)


class EffectRow(Struct, frozen=True, kw_only=True):
    key: str
    kind: str | None
    """What a dispatcher should do, see `workers/dispatching/handlers.py`; null: nothing now."""
    account: str
    connector: str
    pair: str | None = None
    due_us: int
    status: Status
    """Of an order; `new` for everything else."""
    attempt: int = 0
    send_by_us: int | None = None
    is_cancel_requested: bool = False
    is_resend_allowed: bool = False
    """By somebody, should the venue not show this attempt."""
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


def by_stream(fact: Fact) -> tuple[str, ...]:
    return (fact.stream,)


class Rule(Struct, frozen=True):
    """What an event makes of its row: the row, or None where nothing is owed any more."""

    evolve: Callable[[EffectRow | None, Fact, str], EffectRow | None]
    keys: Callable[[Fact], tuple[str, ...]] = by_stream
    """Which rows; where a stream owes several things at once they need keys of their own."""


def wanted(
    kind: str,
    fact: Fact,
    key: str,
    account: str,
    connector: str,
    *,
    detail: str | None = None,
    due_us: int | None = None,
) -> EffectRow:
    """Something other than an order is owed, from now on or from `due_us`."""
    return EffectRow(
        key=key,
        kind=kind,
        account=account,
        connector=connector,
        due_us=fact.metadata.recorded_at_us if due_us is None else due_us,
        status="new",
        detail=detail,
        correlation_id=fact.metadata.correlation_id,
        position=fact.position,
    )


def settled(_row: EffectRow | None, _fact: Fact, _key: str) -> None:
    """Nothing is owed any more."""
