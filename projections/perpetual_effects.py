"""What a requested leverage or position mode makes of `open_effects`.

One row for each pair and one for the mode, until its outcome is in the log; a later request takes
the row over.
"""

from collections.abc import Mapping

import msgspec
from msgspec import Struct

from domain.perpetual import (
    LeverageRefused,
    LeverageRequested,
    LeverageSet,
    LeverageUnknown,
    PositionMode,
    PositionModeRefused,
    PositionModeRequested,
    PositionModeSet,
    PositionModeUnknown,
)
from projections.effect import EffectRow, Rule, wanted
from projections.projection import Fact


class LeverageDetail(Struct, frozen=True):
    number: int
    pair: str
    leverage: int
    until_us: int


class ModeDetail(Struct, frozen=True):
    number: int
    mode: PositionMode
    until_us: int


def _place(fact: Fact) -> str:
    return fact.stream.removeprefix("perpetual-")


def _leverage_keys(fact: Fact) -> tuple[str, ...]:
    return (f"leverage-{_place(fact)}/{fact.event.pair}",)  # type: ignore[union-attr]


def _mode_keys(fact: Fact) -> tuple[str, ...]:
    return (f"position-mode-{_place(fact)}",)


def _leverage_wanted(_row: EffectRow | None, fact: Fact, key: str) -> EffectRow | None:
    event = fact.event
    if not isinstance(event, LeverageRequested):
        return None
    detail = LeverageDetail(event.number, event.pair, event.leverage, event.until_us)
    text = msgspec.json.encode(detail).decode()
    return wanted("set_leverage", fact, key, event.account, event.connector, detail=text)


def _mode_wanted(_row: EffectRow | None, fact: Fact, key: str) -> EffectRow | None:
    event = fact.event
    if not isinstance(event, PositionModeRequested):
        return None
    detail = ModeDetail(event.number, event.mode, event.until_us)
    text = msgspec.json.encode(detail).decode()
    return wanted("set_position_mode", fact, key, event.account, event.connector, detail=text)


RULES: Mapping[type, Rule] = {
    LeverageRequested: Rule(_leverage_wanted, _leverage_keys),
    LeverageSet: Rule(_leverage_wanted, _leverage_keys),
    LeverageRefused: Rule(_leverage_wanted, _leverage_keys),
    LeverageUnknown: Rule(_leverage_wanted, _leverage_keys),
    PositionModeRequested: Rule(_mode_wanted, _mode_keys),
    PositionModeSet: Rule(_mode_wanted, _mode_keys),
    PositionModeRefused: Rule(_mode_wanted, _mode_keys),
    PositionModeUnknown: Rule(_mode_wanted, _mode_keys),
}
