"""Follows the log and keeps the read models: rows and checkpoints in one transaction a page.

A checkpoint moves by compare-and-set, so of two projectors one saves and the other starts again
from where the first one stands. Some hundred events a page while behind,
what has arrived when live. A read model that halts keeps its checkpoint and is left out until it is
retried. Those that are behind the others, as a new one is after an upgrade, have pages of their
own, after those of the others: orders are not dispatched later because of them.
"""

import logging
from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from msgspec import Struct, structs

from adapters.postgres import feeds
from adapters.postgres import rows as store
from adapters.postgres.connect import PROJECTOR_OPTIONS, connect
from adapters.postgres.log import read_log
from commands.crashpoint import crashpoint
from domain.log import Recorded
from projections import PROJECTIONS
from projections.projection import Projection
from workers.projecting.floors import Floors
from workers.projecting.folding import Halt, facts_of
from workers.projecting.saving import REFUSED, fold_and_save

_log = logging.getLogger(__name__)
PAGE_EVENTS = 500
CHANNEL = "aviary_projected"


class Progress(Struct, frozen=True):
    position: int
    events: int
    """Folded in this step; 0 when nothing was new."""


class Halted(Exception):  # noqa: N818 - says what is so
    """A read model that halts cannot be folded here; nothing of the page was saved."""

    def __init__(self, halt: Halt) -> None:
        super().__init__(f"{halt.projection} stops at position {halt.position}: {halt.error}")
        self.halt = halt


class Projector:
    """One set of projections on one connection; `step` folds one page.

    `is_live` is what readers see: there a read model that must halt is noted and left out, while
    elsewhere Halted is raised. `is_halted` folds those that have been left out.
    """

    def __init__(
        self,
        dsn: str,
        projections: Sequence[Projection] = PROJECTIONS,
        *,
        page_events: int = PAGE_EVENTS,
        is_live: bool = True,
        is_halted: bool = False,
    ) -> None:
        self._projections = projections
        self._is_live = is_live
        self._is_halted = is_halted
        self._page_events = page_events
        self._connection = connect(
            dsn, PROJECTOR_OPTIONS + " -c synchronous_commit=off", autocommit=True
        )
        self._names = [projection.name for projection in projections]
        self._checkpoints = store.load_checkpoints(self._connection, self._names, halted=is_halted)

    @property
    def position(self) -> int:
        """What every projection of the set has seen, those aside that follow Kafka."""
        return min(self._checkpoints.values(), default=0)

    def step(self) -> Progress:
        """Fold the next page. Raises CheckpointMoved, Halted, codec.LogIsNewer or psycopg.Error.

        Where some read models are behind: one of theirs, too.
        """
        events = self._fold(self._foremost())
        behind = self._checkpoints.keys() - self._foremost()
        if behind:
            events += self._fold(behind)
        if not events:
            self._check_feeds(for_update=False)
        return Progress(self.position, events)

    def _foremost(self) -> AbstractSet[str]:
        top = max(self._checkpoints.values(), default=0)
        return {name for name, position in self._checkpoints.items() if position == top}

    def _fold(self, names: AbstractSet[str]) -> int:
        """One page for these, no further than where others stand; how many events it had."""
        if not names:
            return 0
        start = min(self._checkpoints[name] for name in names)
        others = [p for name, p in self._checkpoints.items() if name not in names and p > start]
        events_max = min([self._page_events, *(position - start for position in others)])
        page = read_log(self._connection, start, events_max)
        if page:
            self._settle(page, names)
            crashpoint("projector-after-commit")
        return len(page)

    def close(self) -> None:
        self._connection.close()

    def _settle(self, page: Sequence[Recorded], names: AbstractSet[str]) -> None:
        """Save; where a table cannot hold a row, halve until the event to park stands alone."""
        try:
            self._save(page, names, is_alone=False)
        except REFUSED:
            if len(page) == 1:
                self._save(page, names, is_alone=True)
            else:
                self._settle(page[: len(page) // 2], names)
                self._settle(page[len(page) // 2 :], names)

    def _save(self, page: Sequence[Recorded], names: AbstractSet[str], *, is_alone: bool) -> None:
        facts = facts_of(page)
        with self._connection.transaction():
            parked = self._parked_now()
            flowing = {name: p for name, p in self._checkpoints.items() if name in names}
            floors = Floors(feeds.load_floors(self._connection, list(flowing)))
            for projection in self._projections:
                start = flowing.get(projection.name)
                if start is None:
                    continue  # It stands elsewhere, follows Kafka, or has halted.
                new = [
                    (tag, fact)
                    for tag, fact in facts
                    if fact.position > start and floors.is_passed(projection.name, fact)
                ]
                halt = fold_and_save(self._connection, projection, new, parked, is_alone=is_alone)
                if halt is not None:
                    self._halt(halt, flowing.pop(projection.name))
                crashpoint("projector-after-rows")
            store.move_checkpoints(self._connection, flowing, page[-1].position)
            passed = floors.passed_at(page[-1].position)
            if passed:
                feeds.drop_floors(self._connection, passed)
            crashpoint("projector-after-checkpoint")
            if self._is_live:
                feeds.announce(self._connection, CHANNEL)
        self._checkpoints = {n: p for n, p in self._checkpoints.items() if n not in names} | {
            name: max(position, page[-1].position) for name, position in flowing.items()
        }

    def _halt(self, halt: Halt, start: int) -> None:
        """Leave it before the event, with all that came before."""
        if not self._is_live:
            raise Halted(halt)
        _log.error("%s has halted at position %s: %s", *structs.astuple(halt))
        store.move_checkpoints(self._connection, {halt.projection: start}, halt.position - 1)
        store.halt(self._connection, *structs.astuple(halt))
        crashpoint("halting-after-note")

    def _parked_now(self) -> set[tuple[str, str]]:
        """Read again each time: a retry may have cured some, a rebuild may have parked others.

        The checkpoints' rows are locked first, so that neither of them runs meanwhile, and no
        projection comes to this feed or leaves it.
        """
        self._check_feeds(for_update=True)
        return store.load_parked(self._connection, self._names)

    def _check_feeds(self, *, for_update: bool) -> None:
        found = store.find_log_fed(
            self._connection, self._names, halted=self._is_halted, for_update=for_update
        )
        if found != set(self._checkpoints):
            raise store.CheckpointMoved(
                f"The log feeds {sorted(found)} now and fed {sorted(self._checkpoints)} before."
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
