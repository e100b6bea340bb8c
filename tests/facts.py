"""Facts and folds for tests of read models: a history becomes rows without any store."""

from collections.abc import Sequence
from typing import Any

from commands.catalogue import aggregate_of
from commands.codec import tag_of
from domain.events import Event
from domain.log import Metadata
from projections.projection import Fact, Projection

EPOCH_US = 1_000_000


def facts_of(stream: str, history: Sequence[Event]) -> list[Fact]:
    """Return facts at positions 1, 2, ...; an event is recorded a microsecond after another."""
    aggregate = aggregate_of(stream)
    state = aggregate.initial
    facts: list[Fact] = []
    for position, event in enumerate(history, 1):
        state = aggregate.evolve(state, event)
        routing = aggregate.routing(state)
        metadata = Metadata(
            command_id=f"c{position}",
            correlation_id="trace",
            actor="alice",
            recorded_at_us=EPOCH_US + position,
            account=routing.account,
            connector=routing.connector,
            pair=routing.pair,
        )
        facts.append(Fact(position, stream, position, event, metadata))
    return facts


def rows_of(projection: Projection, facts: Sequence[Fact]) -> dict[str, Any]:
    """Fold facts; rows that were deleted are absent."""
    rows: dict[str, Any] = {}
    for fact in facts:
        if tag_of(fact.event) not in projection.tags:
            continue
        for key in projection.keys(fact):
            rows[key] = projection.evolve(rows.get(key), fact, key)
    return {key: row for key, row in rows.items() if row is not None}
