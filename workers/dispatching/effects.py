"""Reads what a dispatcher goes by: who may trade where, what is owed, what rests at a venue."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import psycopg

from projections.effect import EffectRow

# In an index's order for each desk: a long queue is never sorted, and one desk's cannot hide
# another's. Cancellations first: what is to be sent may wait, what rests at a venue may be filled.
_DUE = """
select row_to_json(due)::text
from unnest(%(accounts)s::text[], %(connectors)s::text[], %(take_orders)s::boolean[])
    as ours (account, connector, takes_orders)
cross join lateral (
    (
        select t.*
        from open_effects t
        where kind = 'cancel'
            and t.account = ours.account
            and t.connector = ours.connector
            and due_us <= %(now_us)s
            and not key = any(%(without)s)
        order by due_us
        limit %(limit)s
    )
    union all
    (
        select t.*
        from open_effects t
        where kind is not null
            and kind <> 'cancel'
            and t.account = ours.account
            and t.connector = ours.connector
            and due_us <= %(now_us)s
            and (ours.takes_orders or kind <> 'place')
            and not key = any(%(without)s)
        order by due_us
        limit %(limit)s
    )
) as due
order by due.kind <> 'cancel', due.due_us
"""
# One index step a desk, however many rows each has.
_OWING = """
with recursive places as (
    (select account, connector from open_effects order by account, connector limit 1)
    union all
    select next.account, next.connector
    from places
    cross join lateral (
        select account, connector
        from open_effects
        where (account, connector) > (places.account, places.connector)
        order by account, connector
        limit 1
    ) as next
)
select account, connector, exists (
    select from open_effects t
    where t.account = places.account
        and t.connector = places.connector
        and (kind is null or kind <> all(%(deskless)s))
)
from places
"""
# As `credential.may_trade` says: a credential in force, or a connector that came with the account
# and was not taken away since.
_STANDING = """
select c.account, c.connector, c.secret_id, coalesce(c.accepted_at_us, 0)
from credentials c
join accounts a on a.key = c.account and a.generation = c.generation
where a.is_open and c.is_active
union all
select a.key, given.connector, '', 0
from accounts a
cross join lateral jsonb_array_elements_text(a.connectors) as given (connector)
left join credentials c
    on c.account = a.key and c.connector = given.connector and c.generation = a.generation
where a.is_open and (c.key is null or not (c.is_active or c.is_deleted))
"""
_STANDING_OF = (
    f"select * from ({_STANDING}) as s (account, connector, secret_id) where account = %s"
)
# Orders are never `new` here: these are the few other rows, which have an index of their own.
_DUE_ANYWHERE = """
select row_to_json(t)::text
from open_effects t
where status = 'new'
    and kind = any(%(kinds)s)
    and account = any(%(accounts)s)
    and due_us <= %(now_us)s
    and not key = any(%(without)s)
order by due_us
limit %(limit)s
"""
_OPEN = """
select row_to_json(t)::text from open_effects t
where account = %s and connector = %s and status = 'open'
"""
_decode = msgspec.json.Decoder(EffectRow).decode
Place = tuple[str, str]
"""Account and connector."""


async def owing(
    connection: psycopg.AsyncConnection[Any], deskless: Sequence[str]
) -> dict[Place, bool]:
    """Where something is open, and whether anything there is of a kind that needs a desk."""
    found = await connection.execute(_OWING, {"deskless": list(deskless)})
    return {(account, connector): needs async for account, connector, needs in found}


async def standing(connection: psycopg.AsyncConnection[Any]) -> dict[Place, str]:
    """Where there may be trading, and the id of the secret to do it with; empty where none is."""
    found = await connection.execute(_STANDING)
    return {(account, connector): secret_id async for account, connector, secret_id, _ in found}


async def standing_of(
    connection: psycopg.AsyncConnection[Any], account: str
) -> dict[str, tuple[str, int]]:
    """An account's connectors: the id of the secret, and since when it has been in force."""
    found = await connection.execute(_STANDING_OF, (account,))
    return {connector: (secret_id, since_us) async for _, connector, secret_id, since_us in found}


async def due_anywhere(
    connection: psycopg.AsyncConnection[Any],
    now_us: int,
    accounts: Sequence[str],
    kinds: Sequence[str],
    without: Sequence[str],
    limit: int,
) -> list[EffectRow]:
    """Due effects of these kinds and accounts, at whatever connector."""
    found = await connection.execute(
        _DUE_ANYWHERE,
        {
            "accounts": list(accounts),
            "kinds": list(kinds),
            "now_us": now_us,
            "without": list(without),
            "limit": limit,
        },
    )
    return [_decode(text) for (text,) in await found.fetchall()]


async def due(
    connection: psycopg.AsyncConnection[Any],
    now_us: int,
    desks: Mapping[Place, bool],
    without: Sequence[str],
    limit: int,
) -> list[EffectRow]:
    """What these should act on now, `limit` of each at most and of cancellations as many more.

    Cancellations first, then the longest due.

    Without the named keys, and without orders to be placed where a desk's value is False.
    """
    found = await connection.execute(
        _DUE,
        {
            "accounts": [account for account, _ in desks],
            "connectors": [connector for _, connector in desks],
            "take_orders": list(desks.values()),
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


async def has_resting(
    connection: psycopg.AsyncConnection[Any], account: str, connector: str
) -> bool:
    found = await connection.execute(f"select exists ({_OPEN})", (account, connector))
    row = await found.fetchone()
    return bool(row and row[0])


async def is_outdated(
    connection: psycopg.AsyncConnection[Any], account: str, connector: str, secret_id: str
) -> bool:
    """Whether another credential is in force by now than the one of this secret."""
    found = await connection.execute(
        """select 1 from credentials
        where key = %s and is_active and secret_id <> %s""",
        (f"{account}/{connector}", secret_id),
    )
    return await found.fetchone() is not None


async def replaced_since(
    connection: psycopg.AsyncConnection[Any], account: str, connector: str, since_us: int
) -> bool:
    """Whether the credential in force was accepted after that: it may be another account's."""
    found = await connection.execute(
        """select 1 from credentials
        where key = %s and is_active and secret_id <> '' and accepted_at_us > %s""",
        (f"{account}/{connector}", since_us),
    )
    return await found.fetchone() is not None


async def head(connection: psycopg.AsyncConnection[Any]) -> int:
    """The last position of the log."""
    return await _number(connection, "select position from log_head")


async def projected(connection: psycopg.AsyncConnection[Any]) -> int:
    """Up to where the rows that are read here are folded."""
    query = "select position from checkpoints where projection = 'open_effects'"
    return await _number(connection, query)


async def _number(connection: psycopg.AsyncConnection[Any], query: str) -> int:
    row = await (await connection.execute(query.encode())).fetchone()
    return int(row[0]) if row else 0
