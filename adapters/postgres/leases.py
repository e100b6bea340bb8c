"""Who acts for which account: a lease with a number that grows each time another one takes over.

Times are judged by the database's clock alone.
"""

from typing import Any

import psycopg

_TAKE = """
insert into leases as l (account, lease, holder, expires_at)
select unnest(%(accounts)s::text[]), 1, %(holder)s, now() + make_interval(secs => %(seconds)s)
on conflict (account) do update set
    lease = l.lease + (l.holder <> excluded.holder)::int,
    holder = excluded.holder,
    expires_at = excluded.expires_at
where l.holder = excluded.holder or l.expires_at < now()
returning account, lease
"""


async def take_leases(
    connection: psycopg.AsyncConnection[Any], accounts: list[str], holder: str, seconds: float
) -> dict[str, int]:
    """Take or renew; answers account to lease number for those that are ours now."""
    taken = await connection.execute(
        _TAKE, {"accounts": accounts, "holder": holder, "seconds": seconds}
    )
    return dict(await taken.fetchall())


async def drop_leases(connection: psycopg.AsyncConnection[Any], holder: str) -> None:
    """Let others take over at once: called on a clean stop."""
    await connection.execute(
        "update leases set expires_at = now() - interval '1 second' where holder = %s", (holder,)
    )
