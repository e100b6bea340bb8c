"""One row per pair that was compared: what it began with, and by how much it differs now.

Signed base units, LONG less SHORT; times integer UTC microseconds. Without a difference of ours the
venue's position is `excess` and our fills. Read by the dispatcher, so it follows the log only.
"""

from decimal import Decimal

from msgspec import Struct, structs

from domain.amounts import minus
from domain.position import PositionAgrees, PositionBaselineSet, PositionDiffers
from projections.projection import Fact, Projection
from projections.tags import tags_of

ZERO = Decimal(0)


class BaselineRow(Struct, frozen=True, kw_only=True):
    key: str
    account: str
    connector: str
    pair: str
    excess: Decimal
    """What the venue showed beyond our fills at the first comparison."""
    difference: Decimal = ZERO
    """The venue's position less what it should be."""
    differs_since_us: int | None = None
    """Since when there has been any difference, whatever its size was at first."""
    position: int


def keys(fact: Fact) -> tuple[str, ...]:
    return (fact.stream.removeprefix("position-"),)


def evolve(row: BaselineRow | None, fact: Fact, key: str) -> BaselineRow | None:
    match fact.event:
        case PositionBaselineSet(account, connector, pair, venue, fills):
            return BaselineRow(
                key=key,
                account=account,
                connector=connector,
                pair=pair,
                excess=minus(venue, fills),
                position=fact.position,
            )
        case _ if row is None:
            raise ValueError(f"Position {key} has {fact.event!r} before its baseline.")
        case PositionDiffers(venue=venue, own=own):
            return structs.replace(
                row,
                difference=minus(venue, own),
                differs_since_us=row.differs_since_us or fact.metadata.recorded_at_us,
                position=fact.position,
            )
        case PositionAgrees():
            return structs.replace(
                row, difference=ZERO, differs_since_us=None, position=fact.position
            )
        case _:
            return row


PROJECTION = Projection(
    "position_baselines",
    BaselineRow,
    tags_of(PositionBaselineSet, PositionDiffers, PositionAgrees),
    keys,
    evolve,
)
