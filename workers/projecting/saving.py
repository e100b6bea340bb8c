"""Folds facts into a read model's table in the caller's transaction, whatever feeds it.

The surprising thing: what a table cannot hold is found out by the table. The caller then halves its
page until the event stands alone, and `is_alone` parks the keys that it touches, or halts there.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import psycopg

from adapters.postgres import rows as store
from projections.projection import Fact, Projection
from workers.projecting.folding import Folding, Halt, Parked, fold_page, said

_log = logging.getLogger(__name__)
REFUSED = (psycopg.DataError, psycopg.IntegrityError)
"""What a table says of a row that it cannot hold, by itself or beside the rows that it has."""


def fold_and_save(
    connection: psycopg.Connection[Any],
    projection: Projection,
    facts: Sequence[tuple[str, Fact]],
    parked: set[tuple[str, str]],
    *,
    is_alone: bool = False,
) -> Halt | None:
    """Save rows and park what cannot be folded; `parked` grows by it. Raises REFUSED.

    Answers where a read model that halts had to stop; all before that is saved.
    """

    def load(projection: Projection, keys: Sequence[str]) -> Mapping[str, Any]:
        return store.load_rows(connection, projection.name, projection.row_type, keys)

    folding = fold_page(projection, facts, load, parked)
    if is_alone and facts:
        folding = _held(connection, projection, folding, facts[0][1].position)
        parked.update((entry.projection, entry.key) for entry in folding.parked)
    _save(connection, projection, folding)
    return folding.halt


def _held(
    connection: psycopg.Connection[Any], projection: Projection, folding: Folding, position: int
) -> Folding:
    """What one event made of its rows, or their keys parked where the table refuses them."""
    try:
        with connection.transaction():
            _save(connection, projection, Folding(folding.rows, []))
    except REFUSED as error:
        text = said(error)
        if projection.halts:
            return Folding({}, [], Halt(projection.name, position, text))
        refused = [Parked(projection.name, key, position, text) for key in folding.rows]
        return Folding({}, [*folding.parked, *refused])
    return folding


def _save(connection: psycopg.Connection[Any], projection: Projection, folding: Folding) -> None:
    store.save_rows(connection, projection.name, projection.row_type, folding.rows)
    if folding.parked:
        _log.error("Parked: %s", folding.parked[0])
        store.park(connection, [(p.projection, p.key, p.position, p.error) for p in folding.parked])
