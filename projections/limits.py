"""One row per account that was ever given limits: what they are now, and by whom."""

from decimal import Decimal

from msgspec import Struct

from domain.limits import LimitsSet
from projections.projection import Fact, Projection
from projections.tags import tags_of


class LimitsRow(Struct, frozen=True, kw_only=True):
    key: str
    """The account."""
    notional_per_order: Decimal | None
    open_orders: int | None
    orders_per_minute: int | None
    actor: str
    changed_at_us: int
    position: int


def keys(fact: Fact) -> tuple[str, ...]:
    return (fact.event.account,) if isinstance(fact.event, LimitsSet) else ()


def evolve(row: LimitsRow | None, fact: Fact, key: str) -> LimitsRow | None:
    match fact.event:
        case LimitsSet(_, notional_per_order, open_orders, orders_per_minute):
            return LimitsRow(
                key=key,
                notional_per_order=notional_per_order,
                open_orders=open_orders,
                orders_per_minute=orders_per_minute,
                actor=fact.metadata.actor,
                changed_at_us=fact.metadata.recorded_at_us,
                position=fact.position,
            )
        case _:
            return row


PROJECTION = Projection(
    "limits", LimitsRow, tags_of(LimitsSet), keys, evolve, is_keyed_by_stream=True
)
