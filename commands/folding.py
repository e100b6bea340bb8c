"""A stream read from the store and folded, for those who only look."""

from typing import Any

from commands import codec
from commands.catalogue import aggregate_of
from commands.store import Store

_PAGE = 5_000


def fold(store: Store, stream: str) -> tuple[int, Any]:
    """A stream's version and state; blocks, so call it in a thread."""
    aggregate = aggregate_of(stream)
    version, state = 0, aggregate.initial
    while page := store.read_stream(stream, version, _PAGE):
        for recorded in page:
            state = aggregate.evolve(state, codec.decode_recorded(recorded))
        version = page[-1].version
    return version, state
