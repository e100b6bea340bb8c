"""Folds a page of the log into rows, isolating the keys that cannot be folded. No I/O.

The surprising thing: a key that is parked stays parked, and its later events queue behind the bad
one, so a read model is never silently wrong about a key; other keys flow on.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from commands import codec
from domain.log import Recorded
from projections.projection import Fact, Projection

Loader = Callable[[Projection, Sequence[str]], Mapping[str, Any]]


class Parked(Struct, frozen=True):
    projection: str
    key: str
    position: int
    error: str


class Folding(Struct):
    """What a page made of one projection: rows to save (None deletes) and events to park."""

    rows: dict[str, Any]
    parked: list[Parked]


def facts_of(page: Iterable[Recorded]) -> list[tuple[str, Fact]]:
    """Decode a page, each with its newest tag; raises codec.LogIsNewer at the first unknown one."""
    found = []
    for recorded in page:
        event, metadata = codec.decode_recorded(recorded), codec.decode_metadata(recorded.metadata)
        fact = Fact(recorded.position, recorded.stream, recorded.version, event, metadata)
        found.append((codec.tag_of(event), fact))
    return found


def fold_page(
    projection: Projection,
    facts: Sequence[tuple[str, Fact]],
    load: Loader,
    parked: set[tuple[str, str]],
) -> Folding:
    """Fold; `parked` names (projection, key) pairs and grows by what this page parks."""
    touched = [
        (fact, key)
        for tag, fact in facts
        if tag in projection.tags
        for key in projection.keys(fact)
    ]
    if not touched:
        return Folding({}, [])
    rows = dict(load(projection, list({key for _, key in touched})))
    folding = Folding({}, [])
    for fact, key in touched:
        if (projection.name, key) in parked:
            error = "queued behind an earlier event of this key"
            folding.parked.append(Parked(projection.name, key, fact.position, error))
            continue
        try:
            rows[key] = folding.rows[key] = projection.evolve(rows.get(key), fact, key)
        except Exception as error:  # noqa: BLE001 - whatever a fold raises parks its key
            parked.add((projection.name, key))
            text = f"{type(error).__name__}: {error}"
            folding.parked.append(Parked(projection.name, key, fact.position, text))
    return folding
