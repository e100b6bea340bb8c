"""Follows the log and keeps the read models: rows and checkpoints in one transaction a page.

A checkpoint moves by compare-and-set, so of two projectors one saves and the other starts again
from where the first one stands. Some hundred events a page while behind,
what has arrived when live.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from msgspec import Struct

from adapters.postgres import rows as store
from adapters.postgres.connect import PROJECTOR_OPTIONS, connect
from adapters.postgres.log import read_log
from commands.crashpoint import crashpoint
from domain.log import Recorded
from projections import PROJECTIONS
from projections.projection import Projection
from workers.folding import Folding, Parked, facts_of, fold_page

_log = logging.getLogger(__name__)
PAGE_EVENTS = 500
CHANNEL = "aviary_projected"


class Progress(Struct, frozen=True):
    position: int
    events: int
    """Folded in this step; 0 when nothing was new."""


class Projector:
    """One set of projections on one connection; `step` folds one page."""

    def __init__(
        self,
        dsn: str,
        projections: Sequence[Projection] = PROJECTIONS,
        *,
        page_events: int = PAGE_EVENTS,
        is_live: bool = True,
    ) -> None:
        self._projections = projections
        self._is_live = is_live
        self._page_events = page_events
        self._connection = connect(
            dsn, PROJECTOR_OPTIONS + " -c synchronous_commit=off", autocommit=True
        )
        names = [projection.name for projection in projections]
        self._checkpoints = store.load_checkpoints(self._connection, names)
        self._parked = store.load_parked(self._connection, names)

    @property
    def position(self) -> int:
        """What every projection of the set has seen."""
        return min(self._checkpoints.values())

    def step(self) -> Progress:
        """Fold the next page. Raises CheckpointMoved, codec.LogIsNewer or psycopg.Error."""
        page = read_log(self._connection, self.position, self._page_events)
        if page:
            self._settle(page)
            crashpoint("projector-after-commit")
        return Progress(self.position, len(page))

    def close(self) -> None:
        self._connection.close()

    def _settle(self, page: Sequence[Recorded]) -> None:
        """Save; where a table cannot hold a row, halve until the event to park stands alone."""
        try:
            self._save(page, is_alone=False)
        except psycopg.DataError:
            if len(page) == 1:
                self._save(page, is_alone=True)
            else:
                self._settle(page[: len(page) // 2])
                self._settle(page[len(page) // 2 :])

    def _save(self, page: Sequence[Recorded], *, is_alone: bool) -> None:
        facts = facts_of(page)
        with self._connection.transaction():
            parked = self._parked_now()
            for projection in self._projections:
                start = self._checkpoints[projection.name]
                new = [entry for entry in facts if entry[1].position > start]
                folding = fold_page(projection, new, self._load, parked)
                if is_alone:
                    folding = self._held(projection, folding, page[0].position)
                    parked.update((entry.projection, entry.key) for entry in folding.parked)
                self._save_rows(projection, folding)
                crashpoint("projector-after-rows")
            store.move_checkpoints(self._connection, self._checkpoints, page[-1].position)
            crashpoint("projector-after-checkpoint")
            if self._is_live:
                self._connection.execute(
                    "select pg_notify(%s, %s)", (CHANNEL, str(page[-1].position))
                )
        self._parked = parked
        self._checkpoints = {
            name: max(position, page[-1].position) for name, position in self._checkpoints.items()
        }

    def _parked_now(self) -> set[tuple[str, str]]:
        """Read again each time: a retry may have cured some, a rebuild may have parked others.

        The checkpoints' rows are locked first, so that neither of them runs meanwhile.
        """
        names = list(self._checkpoints)
        self._connection.execute(
            "select 1 from checkpoints where projection = any(%s) for update", (names,)
        )
        return store.load_parked(self._connection, names)

    def _load(self, projection: Projection, keys: Sequence[str]) -> Mapping[str, Any]:
        return store.load_rows(self._connection, projection.name, projection.row_type, keys)

    def _held(self, projection: Projection, folding: Folding, position: int) -> Folding:
        """What one event made of its rows, or their keys parked where the table refuses them."""
        try:
            with self._connection.transaction():
                self._save_rows(projection, Folding(folding.rows, []))
        except psycopg.DataError as error:
            text = f"{type(error).__name__}: {error}"
            refused = [Parked(projection.name, key, position, text) for key in folding.rows]
            return Folding({}, [*folding.parked, *refused])
        return folding

    def _save_rows(self, projection: Projection, folding: Folding) -> None:
        store.save_rows(self._connection, projection.name, projection.row_type, folding.rows)
        if folding.parked:
            _log.error("Parked: %s", folding.parked[0])
            store.park(
                self._connection,
                [(p.projection, p.key, p.position, p.error) for p in folding.parked],
            )


def catch_up(dsn: str, projections: Sequence[Projection] = PROJECTIONS) -> int:
    """Fold until nothing is new; answer the position reached. For tools and tests."""
    projector = Projector(dsn, projections)
    try:
        while projector.step().events:
            pass
        return projector.position
    finally:
        projector.close()


def is_passing(error: Exception) -> bool:
    """Whether starting again from the stored checkpoint is the whole cure."""
    return isinstance(error, psycopg.Error | store.CheckpointMoved)
