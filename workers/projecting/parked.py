"""Events that a read model could not fold: what they are, and how to try again.

A retry folds the key's queued events in order, onto the row as it stands, in one transaction; if
one of them still fails, nothing changes and the key stays parked. Read models that have halted are
listed and retried with them, under the key `*`.
"""

from typing import Any

import psycopg
from msgspec import Struct

from adapters.postgres.connect import PROJECTOR_OPTIONS, connect
from adapters.postgres.feeds import lock_alone
from adapters.postgres.log import read_positions
from adapters.postgres.rows import load_rows, save_rows
from projections import PROJECTIONS
from workers.projecting.folding import facts_of
from workers.projecting.halted import list_halted, retry_halted
from workers.projecting.saving import REFUSED

WHOLE = "*"
"""Stands for the key where a read model has halted."""


class ParkedKey(Struct, frozen=True):
    projection: str
    key: str
    first_position: int
    events: int
    error: str


class Retried(Struct, frozen=True):
    projection: str
    key: str
    is_cured: bool
    error: str | None = None


def list_parked(connection: psycopg.Connection[Any]) -> list[ParkedKey]:
    found = connection.execute(
        """select projection, key, min(position), count(*),
            (array_agg(error order by position))[1]
        from parked group by projection, key order by min(position)"""
    )
    return [
        *(
            ParkedKey(h.projection, WHOLE, h.position, h.events, h.error)
            for h in list_halted(connection)
        ),
        *(ParkedKey(*row) for row in found),
    ]


def retry_parked(dsn: str, projection: str | None = None, key: str | None = None) -> list[Retried]:
    """Try the parked keys again, and what has halted, all of them or those named."""
    wanted = (p for p in PROJECTIONS if projection in (None, p.name) and key in (None, WHOLE))
    halted = [
        Retried(name, WHOLE, is_cured=error is None, error=error)
        for name, error in retry_halted(dsn, wanted)
    ]
    with connect(dsn, PROJECTOR_OPTIONS, autocommit=True) as connection:
        keys = [
            _retry(connection, parked)
            for parked in list_parked(connection)
            if parked.key != WHOLE
            and projection in (None, parked.projection)
            and key in (None, parked.key)
        ]
    return [*halted, *keys]


def _retry(connection: psycopg.Connection[Any], parked: ParkedKey) -> Retried:
    projection = next((p for p in PROJECTIONS if p.name == parked.projection), None)
    if projection is None:
        return Retried(parked.projection, parked.key, is_cured=False, error="no such read model")
    try:
        with connection.transaction():
            lock_alone(connection, projection.name)  # No feed can queue more meanwhile.
            found = connection.execute(
                """delete from parked where projection = %s and key = %s returning position""",
                (parked.projection, parked.key),
            )
            positions = sorted(position for (position,) in found)
            rows = load_rows(connection, projection.name, projection.row_type, [parked.key])
            row = rows.get(parked.key)
            for _, fact in facts_of(read_positions(connection, positions)):
                row = projection.evolve(row, fact, parked.key)
            save_rows(connection, projection.name, projection.row_type, {parked.key: row})
    except psycopg.Error as error:
        if not isinstance(error, REFUSED):
            raise
        return Retried(parked.projection, parked.key, is_cured=False, error=str(error))
    except Exception as error:  # noqa: BLE001 - the fold still fails: said, and still parked
        return Retried(parked.projection, parked.key, is_cured=False, error=str(error))
    return Retried(parked.projection, parked.key, is_cured=True)
