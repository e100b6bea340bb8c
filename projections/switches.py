"""One row per kill switch that was ever engaged: whether it is so now, by whom and since when.

The dispatcher cancels by it, so it follows the log only.
"""

from msgspec import Struct

from domain import switch
from domain.switch import SwitchEngaged, SwitchLifted
from projections.projection import Fact, Projection
from projections.tags import tags_of


class SwitchRow(Struct, frozen=True, kw_only=True):
    key: str
    """An account, or `*` for all."""
    is_engaged: bool
    reason: str
    actor: str
    """Who engaged or lifted it last, and when."""
    changed_at_us: int
    position: int


def keys(fact: Fact) -> tuple[str, ...]:
    match fact.event:
        case SwitchEngaged(scope) | SwitchLifted(scope):
            return (scope,)
        case _:
            return ()


def evolve(row: SwitchRow | None, fact: Fact, key: str) -> SwitchRow | None:
    match fact.event:
        case SwitchEngaged(_, reason) | SwitchLifted(_, reason):
            return SwitchRow(
                key=key,
                is_engaged=isinstance(fact.event, SwitchEngaged),
                reason=reason,
                actor=fact.metadata.actor,
                changed_at_us=fact.metadata.recorded_at_us,
                position=fact.position,
            )
        case _:
            return row


PROJECTION = Projection("switches", SwitchRow, tags_of(switch.Event), keys, evolve)
