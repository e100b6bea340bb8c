"""One row per request to set a leverage or a position mode, and what came of it."""

from typing import Literal

from msgspec import Struct, structs

from domain import perpetual
from domain.perpetual import (
    LeverageRefused,
    LeverageRequested,
    LeverageSet,
    LeverageUnknown,
    PositionModeRefused,
    PositionModeRequested,
    PositionModeSet,
    PositionModeUnknown,
)
from projections.projection import Fact, Projection
from projections.tags import tags_of

Outcome = Literal["open", "set", "refused", "unknown", "replaced"]


class PerpetualRow(Struct, frozen=True, kw_only=True):
    key: str
    account: str
    connector: str
    setting: Literal["leverage", "position_mode"]
    pair: str | None
    value: str
    outcome: Outcome = "open"
    code: str | None = None
    """The venue's own, where it refused."""
    text: str | None = None
    requested_at_us: int
    requested_position: int
    position: int


def keys(fact: Fact) -> tuple[str, ...]:
    place = fact.stream.removeprefix("perpetual-")
    event = fact.event
    found = (f"{place}/{event.number}",)  # type: ignore[union-attr]  # each has one
    if isinstance(event, LeverageRequested | PositionModeRequested) and event.replaces is not None:
        return (f"{place}/{event.replaces}", *found)
    return found


def evolve(row: PerpetualRow | None, fact: Fact, key: str) -> PerpetualRow | None:
    match fact.event:
        case LeverageRequested() | PositionModeRequested() if row is not None:
            return structs.replace(row, outcome="replaced", position=fact.position)
        case LeverageRequested() | PositionModeRequested():
            return _requested(fact.event, fact, key)
        case _ if row is None:
            raise ValueError(f"Request {key} has the outcome {fact.event!r} before it was made.")
        case LeverageSet() | PositionModeSet():
            return structs.replace(row, outcome="set", position=fact.position)
        case LeverageRefused(code=code, text=text) | PositionModeRefused(code=code, text=text):
            return structs.replace(
                row, outcome="refused", code=code, text=text, position=fact.position
            )
        case LeverageUnknown(reason=reason) | PositionModeUnknown(reason=reason):
            return structs.replace(row, outcome="unknown", text=reason, position=fact.position)
        case _:
            return row


def _requested(
    event: LeverageRequested | PositionModeRequested, fact: Fact, key: str
) -> PerpetualRow:
    is_leverage = isinstance(event, LeverageRequested)
    return PerpetualRow(
        key=key,
        account=event.account,
        connector=event.connector,
        setting="leverage" if is_leverage else "position_mode",
        pair=event.pair if isinstance(event, LeverageRequested) else None,
        value=str(event.leverage) if isinstance(event, LeverageRequested) else event.mode,
        requested_at_us=fact.metadata.recorded_at_us,
        requested_position=fact.position,
        position=fact.position,
    )


PROJECTION = Projection(
    "perpetuals",
    PerpetualRow,
    tags_of(perpetual.Event),
    keys,
    evolve,
    is_keyed_by_stream=True,
)
