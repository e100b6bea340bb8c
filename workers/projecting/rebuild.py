"""Builds a read model again from position zero, beside the live one, and swaps the two at once.

The shadow table fills while the live one serves; the swap is one transaction under the live
checkpoint's row lock. Killed half way, the next run of the same code goes on from the shadow's own
checkpoint. Needs the owner's login, because it makes and renames tables.
"""

from collections.abc import Callable
from typing import Any

import psycopg
from msgspec import structs

from adapters.postgres import feeds
from adapters.postgres.connect import connect
from commands.crashpoint import crashpoint
from projections.projection import Projection
from workers.projecting import shadow as shadow_table
from workers.projecting.projector import Projector

SUFFIX = "__shadow"
PAGE_EVENTS = 2000
_OWNER_OPTIONS = "-c lock_timeout=10000"


def rebuild(
    owner_dsn: str,
    app_dsn: str,
    projection: Projection,
    progress: Callable[[int, int], None] = lambda _position, _head: None,
) -> int:
    """Rebuild one read model; answers the position at which it was swapped in.

    Raises Halted where one that halts would stand still: the old rows stay.
    """
    with connect(owner_dsn, _OWNER_OPTIONS, autocommit=True) as owner:
        shadow = structs.replace(projection, name=projection.name + SUFFIX)
        shadow_table.make(owner, projection.name, shadow.name)
        projector = Projector(app_dsn, (shadow,), page_events=PAGE_EVENTS, is_live=False)
        try:
            while True:
                step = projector.step()
                head = _head(owner)
                progress(step.position, head)
                crashpoint("rebuild-after-page")
                if step.position >= head:
                    break
            return _swap(owner, projector, projection.name, shadow.name)
        finally:
            projector.close()


def _head(owner: psycopg.Connection[Any]) -> int:
    row = owner.execute("select position from log_head").fetchone()
    return row[0] if row else 0


def _swap(owner: psycopg.Connection[Any], projector: Projector, live: str, shadow: str) -> int:
    owner.execute(f"analyze {shadow}")  # Plans of the first reads need to know its size.
    with owner.transaction():
        # In the live projector's own order, checkpoint before rows. From here on it waits, and the
        # log's tail that it has folded already is all that the shadow still lacks.
        feeds.lock_alone(owner, live)
        owner.execute(f"lock table {live} in access exclusive mode")
        head = _head(owner)
        while projector.position < head and projector.step().events:
            pass
        shadow_table.swap_in(owner, live, shadow)
        owner.execute("delete from checkpoints where projection = %s", (shadow,))
        owner.execute(
            """insert into checkpoints (projection, position) values (%s, %s)
            on conflict (projection) do update set position = excluded.position""",
            (live, projector.position),
        )
        _tell_feed(owner, live, projector.position)
        owner.execute("delete from parked where projection = %s", (live,))
        owner.execute("delete from halts where projection = %s", (live,))
        owner.execute("update parked set projection = %s where projection = %s", (live, shadow))
        crashpoint("rebuild-before-swap")
    return projector.position


def _tell_feed(owner: psycopg.Connection[Any], live: str, position: int) -> None:
    """Every partition's events are in the rows now: a Kafka feed goes on above them."""
    owner.execute(
        """update feed_partitions f set position = %s
        from checkpoints c
        where f.projection = %s and c.projection = f.projection and c.feed = 'kafka'""",
        (position, live),
    )
    owner.execute(
        """delete from feed_partitions f using checkpoints c
        where f.projection = %s and c.projection = f.projection and c.feed = 'log'""",
        (live,),
    )
