"""What a dispatcher does about one open effect: place, resolve, or cancel one order at its venue.

Intent first: the dispatch is in the log, under our lease, before anything leaves. A dispatch with
no outcome is never repeated on suspicion: the venue is asked, and its "not there" counts only when
the request can no longer arrive. Times are integer UTC microseconds.
"""

import contextlib
import logging
import time
from collections.abc import Callable

from adapters.venues.port import OrderRequest, OrderType, VenueRefused, VenueUnreachable
from commands.crashpoint import crashpoint
from domain.order_messages import (
    DispatchOrder,
    RecordClosed,
    RecordNotFound,
    RecordRejected,
    RecordUnknown,
)
from projections.effect import EffectRow
from workers.dispatching import effects
from workers.dispatching.context import Context
from workers.dispatching.desk import Desk

_log = logging.getLogger(__name__)
MICROSECONDS = 1_000_000
_ALREADY_THERE = "duplicate_client_order_id"
_TOO_LATE = "request_expired"
_NOT_LET_IN = ("bad_credential", "permission_denied")


def now_us() -> int:
    return time.time_ns() // 1000


async def place(context: Context, effect: EffectRow, clock: Callable[[], int] = now_us) -> bool:
    """Send an order that was asked for; answers whether the log holds its outcome now.

    Raises LeaseLost, with nothing recorded or sent, when another dispatcher acts for the account.
    """
    desk, attempt = context.desk, effect.attempt + 1
    ahead_us = desk.ahead_us
    send_by_us = clock() + ahead_us + int(context.window_seconds * MICROSECONDS)
    causation_id = str(effect.position)
    name = effect.client_order_id
    dispatched = await desk.record(
        name,
        DispatchOrder(attempt, context.lease, send_by_us, effect.account),
        causation_id=causation_id,
        fence=context.fence,
    )
    if dispatched.receipt.outcome == "refused":
        return True  # Withdrawn, or dispatched by another: the log has moved on.
    causation_id = str(dispatched.receipt.position)
    crashpoint("dispatcher-before-send")
    if clock() + ahead_us >= send_by_us:
        # Frozen since the append: another dispatcher may be at work. Nothing of this attempt left.
        await desk.record(name, RecordNotFound(attempt), causation_id=causation_id)
        return True
    return await _send(context, effect, attempt, send_by_us, causation_id)


async def _send(
    context: Context, effect: EffectRow, attempt: int, send_by_us: int, causation_id: str
) -> bool:
    desk, name = context.desk, effect.client_order_id
    try:
        answer = await desk.venue.place(_request(effect, send_by_us))
    except VenueRefused as refusal:
        crashpoint("dispatcher-after-send")
        if refusal.code == _ALREADY_THERE:
            return False  # An earlier send did arrive: the resolver asks for it.
        if refusal.code == _TOO_LATE:
            desk.was_too_late()
        if refusal.code == _TOO_LATE or await _was_outdated(context, refusal):
            with contextlib.suppress(VenueUnreachable, VenueRefused):
                await desk.read_clock()  # The next attempt is not late for that reason again.
            await desk.record(name, RecordNotFound(attempt), causation_id=causation_id)
            return True
        desk.counts["rejected"] += 1
        rejected = RecordRejected(refusal.code, refusal.text, attempt)
        await desk.record(name, rejected, causation_id=causation_id)
        return True
    except VenueUnreachable as error:
        crashpoint("dispatcher-after-send")
        desk.heed(error)
        desk.counts["unknown"] += 1
        unknown = RecordUnknown(str(error), attempt)
        await desk.record(name, unknown, causation_id=causation_id)
        return False
    crashpoint("dispatcher-after-send")
    desk.was_in_time()
    await desk.record_order(name, answer, causation_id=causation_id)
    crashpoint("dispatcher-after-record")
    desk.counts["placed"] += 1
    return True


async def _was_outdated(context: Context, refusal: VenueRefused) -> bool:
    """Whether we were not let in for want of the credential that is in force by now.

    The desk that is made with that one makes the next attempt.
    """
    desk = context.desk
    if refusal.code not in _NOT_LET_IN:
        return False
    about = (desk.account, desk.connector, desk.secret_id)
    desk.is_outdated = await effects.is_outdated(context.side, *about)
    return desk.is_outdated


def _request(effect: EffectRow, send_by_us: int) -> OrderRequest:
    if effect.quantity is None or effect.side is None or effect.order_type is None:
        raise ValueError(f"Effect {effect.key} is no complete order: {effect!r}.")
    return OrderRequest(
        client_order_id=effect.client_order_id,
        pair=effect.pair or "",
        side="BUY" if effect.side == "BUY" else "SELL",
        order_type=_order_type(effect.order_type),
        quantity=effect.quantity,
        price=effect.price,
        expires_at_us=send_by_us,
        position_action="CLOSE" if effect.position_action == "CLOSE" else "OPEN",
    )


async def resolve(context: Context, effect: EffectRow) -> bool:
    """Find out what became of a dispatch; answers whether the log holds its outcome now."""
    desk = context.desk
    name, pair, causation_id = effect.client_order_id, effect.pair or "", str(effect.position)
    definite_from_us = (
        (effect.send_by_us or 0)
        + desk.venue.traits.lookup_lag_us
        + desk.venue.traits.clock_skew_max_us
    )
    try:
        asked_at_us = await desk.venue.time_us()  # Before the lookup: later would prove nothing.
        seen = await desk.venue.order(pair, name)
        known_trades = await desk.record_trades_of(pair, name)
    except (VenueUnreachable, VenueRefused) as error:
        return await _still_unknown(desk, effect, f"lookup failed: {error}")
    if seen is not None and seen.status == "rejected":
        rejected = RecordRejected("rejected", seen.reason or "", effect.attempt)
        await desk.record(name, rejected, causation_id=causation_id)
        return True
    if seen is not None:
        desk.counts["found"] += 1
        await desk.record_order(name, seen, causation_id=causation_id)
        return True
    is_proof = desk.venue.traits.has_request_expiry or effect.is_resend_allowed
    if known_trades or asked_at_us <= definite_from_us:
        return await _still_unknown(desk, effect, "the venue does not show it yet")
    if not is_proof:
        return await _still_unknown(
            desk, effect, "the venue does not show it, which at this venue proves nothing"
        )
    if not effect.is_resend_allowed and await _was_sent_with_another(context, effect):
        return await _still_unknown(
            desk, effect, "the venue does not show it, but the credential was replaced since"
        )
    desk.counts["not_found"] += 1
    await desk.record(name, RecordNotFound(effect.attempt), causation_id=causation_id)
    return True


async def _was_sent_with_another(context: Context, effect: EffectRow) -> bool:
    """Whether the credential was replaced since: an order of one account is never seen by another.

    They may be keys of one account; then somebody who knows it allows another attempt.
    """
    dispatched_at_us = (effect.send_by_us or 0) - int(context.window_seconds * MICROSECONDS)
    about = (effect.account, effect.connector, dispatched_at_us)
    return await effects.replaced_since(context.side, *about)


async def _still_unknown(desk: Desk, effect: EffectRow, reason: str) -> bool:
    if effect.status == "dispatched":
        unknown = RecordUnknown(reason, effect.attempt)
        await desk.record(effect.client_order_id, unknown, causation_id=str(effect.position))
    return False


async def cancel(context: Context, effect: EffectRow) -> bool:
    """Ask for a cancellation, again if need be; answers whether the order is closed now."""
    desk = context.desk
    name, pair, causation_id = effect.client_order_id, effect.pair or "", str(effect.position)
    crashpoint("dispatcher-before-cancel")
    try:
        seen = await desk.venue.cancel(pair, name)
    except VenueRefused:
        try:
            found = await desk.venue.order(pair, name)
        except (VenueUnreachable, VenueRefused):
            return False
        if found is None:
            _log.error("Order %s was accepted, but the venue does not know it.", name)
            desk.counts["vanished"] += 1
            return False
        seen = found
    except VenueUnreachable:
        return False
    crashpoint("dispatcher-after-cancel")
    if seen.filled_quantity > desk.filled.get(name, 0):
        try:
            await desk.record_trades_of(pair, name)
        except (VenueUnreachable, VenueRefused):
            return False
    if seen.status in ("cancelled", "expired", "rejected"):
        closed = RecordClosed(
            "expired" if seen.status == "expired" else "cancelled", seen.reason or ""
        )
        await desk.record(name, closed, causation_id=causation_id)
        desk.counts["cancelled"] += 1
    return seen.status != "open"


def _order_type(text: str) -> OrderType:
    match text:
        case "LIMIT" | "MARKET" | "LIMIT_MAKER":
            return text
        case _:
            raise ValueError(f"Unknown order type {text!r}.")
