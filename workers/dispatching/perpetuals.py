"""Sets what was asked for at a perpetual venue: leverage of a pair, position mode.

Setting twice is the same as once, so what had no answer is asked again, until the request's own
end. The surprising thing: after that it is given up, so that nothing changes days later because a
venue has come back.
"""

from collections.abc import Awaitable
from typing import cast

import msgspec

from adapters.venues.port import PerpetualVenue, VenueRefused, VenueUnreachable
from commands.crashpoint import crashpoint
from commands.request import Command
from domain import perpetual
from domain.perpetual import (
    RecordLeverageRefused,
    RecordLeverageSet,
    RecordLeverageUnknown,
    RecordPositionModeRefused,
    RecordPositionModeSet,
    RecordPositionModeUnknown,
)
from projections.effect import EffectRow
from projections.perpetual_effects import LeverageDetail, ModeDetail
from workers.dispatching.context import Context
from workers.dispatching.sending import now_us

_GIVEN_UP = "No answer of the venue's came in time; it may have the setting or not."
_leverage = msgspec.json.Decoder(LeverageDetail).decode
_mode = msgspec.json.Decoder(ModeDetail).decode


async def set_leverage(context: Context, effect: EffectRow) -> bool:
    asked = _leverage(effect.detail or "")
    pair, number = asked.pair, asked.number
    if now_us() >= asked.until_us:
        return await _record(context, effect, RecordLeverageUnknown(pair, number, _GIVEN_UP))
    refusal = await _refusal(context, _venue(context).set_leverage(pair, asked.leverage))
    if refusal is None:
        context.desk.on_change()  # A position shows its leverage.
        return await _record(context, effect, RecordLeverageSet(pair, number))
    refused = RecordLeverageRefused(pair, number, refusal.code, refusal.text)
    return await _record(context, effect, refused)


async def set_position_mode(context: Context, effect: EffectRow) -> bool:
    asked = _mode(effect.detail or "")
    if now_us() >= asked.until_us:
        return await _record(context, effect, RecordPositionModeUnknown(asked.number, _GIVEN_UP))
    venue = _venue(context)
    refusal = await _refusal(context, venue.set_position_mode(asked.mode))
    # Some venues refuse to set what is set already.
    if refusal is None or await _is_mode(venue, asked.mode):
        return await _record(context, effect, RecordPositionModeSet(asked.number))
    refused = RecordPositionModeRefused(asked.number, refusal.code, refusal.text)
    return await _record(context, effect, refused)


def _venue(context: Context) -> PerpetualVenue:
    if not context.desk.venue.traits.is_perpetual:
        raise ValueError(f"{context.connector!r} is no perpetual venue.")
    return cast("PerpetualVenue", context.desk.venue)


async def _refusal(context: Context, setting: Awaitable[None]) -> VenueRefused | None:
    """None where the venue has it now. Raises VenueUnreachable: it is tried again."""
    crashpoint("perpetual-before-setting")
    try:
        await setting
    except VenueRefused as refusal:
        context.recorder.counts["settings_refused"] += 1
        return refusal
    except VenueUnreachable:
        context.recorder.counts["settings_unanswered"] += 1
        raise
    finally:
        crashpoint("perpetual-after-setting")
    return None


async def _is_mode(venue: PerpetualVenue, mode: perpetual.PositionMode) -> bool:
    try:
        return await venue.position_mode() == mode
    except VenueRefused:
        return False


async def _record(context: Context, effect: EffectRow, command: Command) -> bool:
    await context.recorder.record_on(
        perpetual.stream(context.account, context.connector),
        command,
        correlation_id=effect.correlation_id,
        causation_id=str(effect.position),
    )
    crashpoint("perpetual-after-record")
    return True
