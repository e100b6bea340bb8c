"""One row per change of a position, or of its difference from our fills: what `positions` was.

Rows of `positions` go when a position is closed; these stay, so that the list can be answered as of
any position of the log. Quantities in base units; times in integer UTC microseconds.
"""

from decimal import Decimal

from msgspec import Struct

from domain import position
from domain.amounts import minus
from domain.position import (
    PositionAgrees,
    PositionBaselineSet,
    PositionClosed,
    PositionDiffers,
    PositionObserved,
    PositionSide,
)
from projections.positions import key_of
from projections.projection import Fact, Projection
from projections.tags import tags_of

ZERO = Decimal(0)


class ChangeRow(Struct, frozen=True, kw_only=True):
    key: str
    """The event's position."""
    subject: str
    """The key of the row in `positions`, or of that in `position_baselines`."""
    account: str
    connector: str
    pair: str
    side: PositionSide | None = None
    """None where the row is of a difference."""
    quantity: Decimal | None = None
    """None where the side was closed."""
    entry_price: Decimal | None = None
    unrealized_pnl: Decimal | None = None
    leverage: Decimal | None = None
    observed_at_us: int | None = None
    difference: Decimal | None = None
    position: int


def keys(fact: Fact) -> tuple[str, ...]:
    return (str(fact.position),)


def evolve(_row: ChangeRow | None, fact: Fact, key: str) -> ChangeRow:
    match fact.event:
        case PositionObserved() as seen:
            return ChangeRow(
                key=key,
                subject=key_of(seen.account, seen.connector, seen.pair, seen.side),
                account=seen.account,
                connector=seen.connector,
                pair=seen.pair,
                side=seen.side,
                quantity=seen.quantity,
                entry_price=seen.entry_price,
                unrealized_pnl=seen.unrealized_pnl,
                leverage=seen.leverage,
                observed_at_us=seen.asked_at_us,
                position=fact.position,
            )
        case PositionClosed() as closed:
            return ChangeRow(
                key=key,
                subject=key_of(closed.account, closed.connector, closed.pair, closed.side),
                account=closed.account,
                connector=closed.connector,
                pair=closed.pair,
                side=closed.side,
                observed_at_us=closed.asked_at_us,
                position=fact.position,
            )
        case PositionBaselineSet() | PositionDiffers() | PositionAgrees() as compared:
            return ChangeRow(
                key=key,
                subject=fact.stream.removeprefix("position-"),
                account=compared.account,
                connector=compared.connector,
                pair=compared.pair,
                difference=_difference(compared),
                position=fact.position,
            )
        case other:
            raise TypeError(f"A change of a position cannot come of {other!r}.")


def _difference(compared: PositionBaselineSet | PositionDiffers | PositionAgrees) -> Decimal:
    return minus(compared.venue, compared.own) if isinstance(compared, PositionDiffers) else ZERO


PROJECTION = Projection("position_changes", ChangeRow, tags_of(position.Event), keys, evolve)
