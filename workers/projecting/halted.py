"""Read models that have halted: which they are, and how they go on.

A retry folds from where one stands until it has what the log has, beside the projector, so that
the others wait for nothing; then it follows the log again. Where an event still cannot be folded
it stops there, with all before it in its rows.
"""

from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import Any

import psycopg
from msgspec import Struct, structs

from adapters.postgres import rows as store
from adapters.postgres.connect import PROJECTOR_OPTIONS, connect
from adapters.postgres.feeds import lock_alone
from projections.projection import Projection
from workers.projecting.projector import PAGE_EVENTS, Halted, Projector


class HaltedModel(Struct, frozen=True):
    projection: str
    position: int
    """Of the event that could not be folded."""
    error: str
    events: int
    """Of the log, from that one on."""


def list_halted(connection: psycopg.Connection[Any]) -> list[HaltedModel]:
    found = connection.execute(
        """select projection, h.position, error, greatest(head.position - h.position + 1, 0)
        from halts h, log_head head
        order by projection"""
    )
    return [HaltedModel(*row) for row in found]


def retry_halted(dsn: str, projections: Iterable[Projection]) -> Iterator[tuple[str, str | None]]:
    """Names and what still stops them; None where one goes on. Raises psycopg.Error."""
    with connect(dsn, PROJECTOR_OPTIONS, autocommit=True) as connection:
        stopped = {halted.projection for halted in list_halted(connection)}
        for projection in projections:
            if projection.name in stopped:
                yield projection.name, _retry(dsn, connection, projection)


def _halted(dsn: str, projection: Projection, page_events: int = PAGE_EVENTS) -> Projector:
    return Projector(dsn, (projection,), page_events=page_events, is_live=False, is_halted=True)


def _fold_before(dsn: str, projection: Projection, position: int) -> None:
    """What came before the event in its page: the note of the halt promises all of it."""
    with closing(_halted(dsn, projection)) as folding:
        left = position - 1 - folding.position
    if left > 0:
        with closing(_halted(dsn, projection, left)) as folding:
            folding.step()


def _retry(dsn: str, connection: psycopg.Connection[Any], projection: Projection) -> str | None:
    try:
        with closing(_halted(dsn, projection)) as folding:
            while folding.step().events:
                pass
    except Halted as error:
        _fold_before(dsn, projection, error.halt.position)
        store.halt_elsewhere(connection, *structs.astuple(error.halt))
        return error.halt.error
    except store.CheckpointMoved:
        return "it is being retried or rebuilt by somebody else"
    with connection.transaction():
        lock_alone(connection, projection.name)
        store.lift_halt(connection, projection.name)
    return None
