"""Folds a page of the log into rows, isolating the keys that cannot be folded. No I/O.

The surprising thing: a key that is parked stays parked, and its later events queue behind the bad
one, so a read model is never silently wrong about a key; other keys flow on. One that `halts` stops
whole instead, before the event and all that it touches.
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


class Halt(Struct, frozen=True):
    """Where a read model stops, and why; what came before is folded."""

    projection: str
    position: int
    error: str


class Folding(Struct):
    """What a page made of one projection: rows to save (None deletes) and events to park."""

    rows: dict[str, Any]
    parked: list[Parked]
    halt: Halt | None = None


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
    if projection.halts:
        return _fold_or_halt(projection, facts, load)
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
            folding.parked.append(Parked(projection.name, key, fact.position, said(error)))
    return folding


def _fold_or_halt(
    projection: Projection, facts: Sequence[tuple[str, Fact]], load: Loader
) -> Folding:
    """Fold up to the first event that cannot be, of which no row shows anything."""
    folding = Folding({}, [])
    touched: list[tuple[Fact, tuple[str, ...]]] = []
    for tag, fact in facts:
        if tag not in projection.tags:
            continue
        try:
            touched.append((fact, projection.keys(fact)))
        except Exception as error:  # noqa: BLE001 - whatever is raised stops it here
            folding.halt = Halt(projection.name, fact.position, said(error))
            break
    names = {key for _, keys in touched for key in keys}
    rows = dict(load(projection, list(names))) if names else {}
    for fact, keys in touched:
        try:
            made = {key: projection.evolve(rows.get(key), fact, key) for key in keys}
        except Exception as error:  # noqa: BLE001 - whatever a fold raises stops it here
            folding.halt = Halt(projection.name, fact.position, said(error))
            break
        rows.update(made)
        folding.rows.update(made)
    return folding


def said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
