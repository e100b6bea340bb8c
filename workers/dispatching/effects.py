"""Reads open effects: which desks have any, what is due, what rests at a venue."""

from collections.abc import Sequence
from typing import Any

import msgspec
import psycopg

from projections.effect import EffectRow

# In the index's order for each desk: a long queue is never sorted, and one desk's cannot hide
# another's.
_DUE = """
select row_to_json(due)::text
from unnest(%(accounts)s::text[], %(connectors)s::text[]) as ours (account, connector)
cross join lateral (
    select t.*
    from open_effects t
    where kind is not null
        and t.account = ours.account
        and t.connector = ours.connector
        and due_us <= %(now_us)s
        and not key = any(%(without)s)
    order by due_us
    limit %(limit)s
) as due
order by due.due_us
limit %(limit)s
"""
# One index step a desk, however many rows each has.
_DESKS = """
with recursive desks as (
    (select account, connector from open_effects order by account, connector limit 1)
    union all
    select next.account, next.connector
    from desks
    cross join lateral (
        select account, connector
        from open_effects
        where (account, connector) > (desks.account, desks.connector)
        order by account, connector
        limit 1
    ) as next
)
select account, connector from desks
"""
_OPEN = """
select row_to_json(t)::text from open_effects t
where account = %s and connector = %s and status = 'open'
"""
_decode = msgspec.json.Decoder(EffectRow).decode


async def desks(connection: psycopg.AsyncConnection[Any]) -> list[tuple[str, str]]:
    """(account, connector) of everything that is open."""
    return await (await connection.execute(_DESKS)).fetchall()


async def due(
    connection: psycopg.AsyncConnection[Any],
    now_us: int,
    desks: Sequence[tuple[str, str]],
    without: Sequence[str],
    limit: int,
) -> list[EffectRow]:
    """What these (account, connector) should act on now, the longest due first.

    Without the named keys.
    """
    found = await connection.execute(
        _DUE,
        {
            "accounts": [account for account, _ in desks],
            "connectors": [connector for _, connector in desks],
            "now_us": now_us,
            "without": list(without),
            "limit": limit,
        },
    )
    return [_decode(text) for (text,) in await found.fetchall()]


async def resting(
    connection: psycopg.AsyncConnection[Any], account: str, connector: str
) -> list[EffectRow]:
    """Orders that the log says are open at the venue."""
    found = await connection.execute(_OPEN, (account, connector))
    return [_decode(text) for (text,) in await found.fetchall()]
