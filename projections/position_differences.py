"""One row per pair whose position at the venue is not what our own fills come to.

Quantities are signed base units, LONG less SHORT; times integer UTC microseconds.
"""

from decimal import Decimal

from msgspec import Struct

from domain.position import PositionAgrees, PositionDiffers
from projections.projection import Fact, Projection
from projections.tags import tags_of


class DifferenceRow(Struct, frozen=True, kw_only=True):
    key: str
    account: str
    connector: str
    pair: str
    venue: Decimal
    own: Decimal
    since_us: int
    """Since when there has been any difference, whatever its size was at first."""
    position: int


def keys(fact: Fact) -> tuple[str, ...]:
    return (fact.stream.removeprefix("position-"),)


def evolve(row: DifferenceRow | None, fact: Fact, key: str) -> DifferenceRow | None:
    event = fact.event
    if not isinstance(event, PositionDiffers):
        return None
    return DifferenceRow(
        key=key,
        account=event.account,
        connector=event.connector,
        pair=event.pair,
        venue=event.venue,
        own=event.own,
        since_us=fact.metadata.recorded_at_us if row is None else row.since_us,
        position=fact.position,
    )


PROJECTION = Projection(
    "position_differences",
    DifferenceRow,
    tags_of(PositionDiffers, PositionAgrees),
    keys,
    evolve,
    is_keyed_by_stream=True,
)
