"""Compares what the log knows with what the venue knows: trades first, then open orders.

Run on start, on every reconnect of a private stream, and when the scheduler asks for it. Trades and
orders that are not ours never enter an order's stream; they are counted.
"""

import asyncio
import re
import time
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import psycopg
from msgspec import structs

from adapters.venues.port import Traits, VenueUnreachable
from domain import reconciliation
from domain.reconciliation import RecordReconciliation
from projections.effect import EffectRow
from workers.dispatching import effects
from workers.dispatching.context import Context
from workers.dispatching.desk import Desk
from workers.dispatching.naming import NAME_LENGTH, NAME_PREFIX

PAGE_TRADES = 500
ZERO = Decimal(0)
CATCH_UP_SECONDS = 5.0
_SAMPLE = NAME_PREFIX + "a2" * ((NAME_LENGTH - len(NAME_PREFIX)) // 2)


async def reconcile(desk: Desk, connection: psycopg.AsyncConnection[Any]) -> tuple[int, int]:
    """Record what was missed; answers (orders checked, trades seen).

    May raise VenueUnreachable and VenueRefused. One at a time for each desk.
    """
    takes_ours = takes_our_names(desk.venue.traits)
    async with desk.reconciling:
        await desk.read_clock()
        if not takes_ours:
            await _catch_up(connection)
        resting = await effects.resting(connection, desk.account, desk.connector)
        if not takes_ours:
            desk.venue.expect([effect.client_order_id for effect in resting])
        pairs = sorted({effect.pair for effect in resting if effect.pair})
        trades = await _trades(desk, connection, pairs)
        open_there = {order.client_order_id for order in await desk.venue.open_orders()}
        known = await desk.names.all_canonical(list(open_there))
        open_at_venue = {known.get(name, name) for name in open_there}
        gone = [effect for effect in resting if effect.client_order_id not in open_at_venue]
        for effect in gone:
            if not _is_filled(desk, effect):
                await _look_up(desk, effect)
    desk.counts["reconciliations"] += 1
    desk.on_change()
    return len(gone), trades


def takes_our_names(traits: Traits) -> bool:
    """Whether the venue tells of an order by the very name that we gave it."""
    is_long_enough = traits.client_order_id_length_max >= NAME_LENGTH
    return is_long_enough and re.fullmatch(traits.client_order_id_pattern, _SAMPLE) is not None


async def _catch_up(connection: psycopg.AsyncConnection[Any]) -> None:
    """Wait until the rows hold every order of the log: a trade that nobody expects is passed over.

    Raises VenueUnreachable, for want of anybody who can say whose the venue's trades are.
    """
    behind = await effects.head(connection)
    give_up_at = time.monotonic() + CATCH_UP_SECONDS
    while await effects.projected(connection) < behind:
        if time.monotonic() > give_up_at:
            raise VenueUnreachable(f"Open effects are not at position {behind} yet; try again.")
        await asyncio.sleep(0.05)


def _is_filled(desk: Desk, effect: EffectRow) -> bool:
    """Whether its trades say all, as they do of most orders that are gone after an absence.

    To ask for a thousand of them takes minutes of a venue's rate limit.
    """
    filled = desk.filled.get(effect.client_order_id, ZERO)
    return effect.quantity is not None and filled >= effect.quantity


async def _look_up(desk: Desk, effect: EffectRow) -> None:
    """What became of an order that rests with us and not at the venue."""
    pair, name = effect.pair or "", effect.client_order_id
    seen = await desk.venue.order(pair, name)
    if seen is None:
        desk.counts["vanished"] += 1
        return
    await desk.record_trades_of(pair, name)
    await desk.record_order(name, seen, causation_id=str(effect.position))


async def handle(context: Context, effect: EffectRow) -> bool:
    """A reconciliation that was asked for."""
    desk = context.desk
    checked, trades = await reconcile(desk, context.side)
    await desk.recorder.record_on(
        reconciliation.stream(desk.account, desk.connector, effect.due_us),
        RecordReconciliation(desk.account, desk.connector, checked, trades, effect.position),
        correlation_id=effect.correlation_id,
        causation_id=str(effect.position),
    )
    return True


async def _trades(
    desk: Desk, connection: psycopg.AsyncConnection[Any], pairs: Sequence[str]
) -> int:
    cursor, seen, has_more = await _cursor(desk, connection), 0, True
    while has_more:
        page = await desk.venue.trades_since(cursor, pairs, limit=PAGE_TRADES)
        ours = await desk.names.all_canonical([trade.client_order_id for trade in page.trades])
        known = [
            structs.replace(trade, client_order_id=ours[trade.client_order_id])
            for trade in page.trades
            if trade.client_order_id in ours
        ]
        desk.counts["foreign_trades"] += len(page.trades) - len(known)
        # Together, so that they share transactions: one by one, a busy hour takes an hour.
        await asyncio.gather(*(desk.record_trade(trade) for trade in known))
        seen += len(page.trades)
        if page.cursor != cursor:
            await _move_cursor(desk, connection, cursor, page.cursor)
        cursor, has_more = page.cursor, page.has_more
    return seen


async def _cursor(desk: Desk, connection: psycopg.AsyncConnection[Any]) -> str | None:
    found = await connection.execute(
        "select cursor from venue_cursors where account = %s and connector = %s",
        (desk.account, desk.connector),
    )
    row = await found.fetchone()
    return row[0] if row else None


async def _move_cursor(
    desk: Desk, connection: psycopg.AsyncConnection[Any], before: str | None, after: str
) -> None:
    """From where it was read: of two that read at once one moves it, and neither moves it back."""
    await connection.execute(
        """insert into venue_cursors (account, connector, cursor) values (%s, %s, %s)
        on conflict (account, connector) do update set cursor = excluded.cursor
        where venue_cursors.cursor = %s""",
        (desk.account, desk.connector, after, before),
    )
