"""Rows folded from events that were read, for answers about the past."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec
from msgspec import Struct

from api.reading import Row
from domain.log import Recorded
from projections.projection import Fact, Projection


def facts_in(events: Sequence[Row]) -> list[tuple[str, Fact]]:
    """Decoded, each with its tag."""
    from workers.projecting.folding import facts_of

    return facts_of(Recorded(*event) for event in events)


def fold(projection: Projection, events: Sequence[Row]) -> Mapping[str, Struct]:
    """By key. What cannot be folded is left as its last event left it, as in the read model."""
    from workers.projecting.folding import fold_page

    folding = fold_page(projection, facts_in(events), lambda _projection, _keys: {}, set())
    return {key: row for key, row in folding.rows.items() if row is not None}


def rows_of(projection: Projection, events: Sequence[Row]) -> str:
    """As a JSON list."""
    return listed(fold(projection, events).values())


def listed(rows: Iterable[Struct]) -> str:
    return msgspec.json.encode(list(rows)).decode()
