"""One row per side of a position, as its venue showed it last; rows go when the venue shows none.

Quantities in base units; times in integer UTC microseconds. When nobody can ask the venue the rows
stay as they are: how old they are is in `position_looks`, which is not folded from the log. Read by
the dispatcher, so it follows the log only.
"""

from decimal import Decimal

from msgspec import Struct

from domain.position import PositionClosed, PositionObserved, PositionSide
from projections.projection import Fact, Projection
from projections.tags import tags_of


class PositionRow(Struct, frozen=True, kw_only=True):
    key: str
    account: str
    connector: str
    pair: str
    side: PositionSide
    quantity: Decimal
    entry_price: Decimal | None
    unrealized_pnl: Decimal | None
    leverage: Decimal | None
    observed_at_us: int
    created_position: int
    """Where the side was opened: it keeps its place in the list for as long as it is open."""
    position: int


def key_of(account: str, connector: str, pair: str, side: str) -> str:
    return f"{account}/{connector}/{pair}/{side}"


def keys(fact: Fact) -> tuple[str, ...]:
    event = fact.event
    if not isinstance(event, PositionObserved | PositionClosed):
        return ()
    return (key_of(event.account, event.connector, event.pair, event.side),)


def evolve(row: PositionRow | None, fact: Fact, key: str) -> PositionRow | None:
    event = fact.event
    if not isinstance(event, PositionObserved):
        return None
    return PositionRow(
        key=key,
        account=event.account,
        connector=event.connector,
        pair=event.pair,
        side=event.side,
        quantity=event.quantity,
        entry_price=event.entry_price,
        unrealized_pnl=event.unrealized_pnl,
        leverage=event.leverage,
        observed_at_us=event.asked_at_us,
        created_position=fact.position if row is None else row.created_position,
        position=fact.position,
    )


PROJECTION = Projection(
    "positions",
    PositionRow,
    tags_of(PositionObserved, PositionClosed),
    keys,
    evolve,
)
