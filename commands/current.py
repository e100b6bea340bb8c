"""What a batch is decided on, brought up to date under the log's lock: streams, guards, tallies.

What was folded after the last write of another process needs no reading. New states are taken only
after COMMIT, and everything is dropped on any error.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

from msgspec import Struct

from commands.catalogue import aggregate_of
from commands.decisions import Folded, fold
from commands.request import Request
from commands.store import Append, Store
from domain import tally
from domain.tally import Tally

States = dict[str, Folded | Exception]
WARM_EVENTS = 2000
_NEVER = -1


class _Cached(Struct):
    value: Any
    as_of: int
    """True up to this position of the log."""


class Current:
    def __init__(self, entries_max: int) -> None:
        self._entries_max = entries_max
        self._streams: OrderedDict[str, _Cached] = OrderedDict()
        self._tallies: OrderedDict[str, _Cached] = OrderedDict()
        self._own_head = -1
        self._foreign_at = 0
        self._recounts = 0

    def warm(self, store: Store, requests: Iterable[Request]) -> None:
        """Fold long streams that are not known, page by page, while others may still write.

        Under the lock it would stop everybody, and a session that is silent for 2 s is cut.
        """
        for stream in {request.stream for request in requests}:
            if stream in self._streams or not aggregate_of(stream).is_long:
                continue
            states: States = {stream: Folded(0, aggregate_of(stream).initial)}
            while isinstance(folded := states[stream], Folded):
                events = store.read_stream(stream, folded.version, WARM_EVENTS)
                fold(states, events)
                if len(events) < WARM_EVENTS:
                    break  # What comes from here on is read under the lock.
            folded = states[stream]
            if isinstance(folded, Folded):
                self._keep(self._streams, stream, folded, _NEVER)

    def read(
        self, append: Append, requests: Sequence[Request], position: int
    ) -> tuple[States, dict[str, Tally]]:
        """Read what is missing in one statement, or two where a stream was not known at all."""
        if position != self._own_head:
            self._foreign_at = position  # Another process wrote: what is older is read again.
        if append.recounts() != self._recounts:
            self._recounts = append.recounts()
            self._tallies.clear()  # A recount does not move the head.
        states, versions = self._states(requests)
        tallies: dict[str, Tally] = {}
        missing = self._tallies_of(requests, states, tallies)
        if versions or missing:
            events, found = append.newer(versions, missing)
            fold(states, events)
            tallies |= _decoded(missing, found)
            moved = {recorded.stream for recorded in events}
            learnt = [request for request in requests if request.stream in moved]
            if missing := self._tallies_of(learnt, states, tallies):
                tallies |= _decoded(missing, append.newer({}, missing)[1])
        return states, tallies

    def _states(self, requests: Sequence[Request]) -> tuple[States, dict[str, int]]:
        """Cached or empty states of all streams and guards; versions of those to be read."""
        states: States = {}
        versions: dict[str, int] = {}
        names = {request.stream: None for request in requests}
        guards = {aggregate_of(r.stream).guards(r.command): None for r in requests}
        for stream in chain(names, *guards):
            if stream in states:
                continue
            cached = self._streams.get(stream)
            folded = cached.value if cached else Folded(0, aggregate_of(stream).initial)
            states[stream] = folded
            if cached is None or cached.as_of < self._foreign_at:
                versions[stream] = folded.version
        return states, versions

    def _tallies_of(
        self, requests: Iterable[Request], states: States, tallies: dict[str, Tally]
    ) -> list[str]:
        """Add those that are cached; answers the keys of the others."""
        missing: dict[str, None] = {}
        for request in requests:
            counting = aggregate_of(request.stream).counting
            folded = states[request.stream]
            if counting is None or isinstance(folded, Exception):
                continue
            for key in counting.keys(request.command, folded.state):
                if key in tallies:
                    continue
                cached = self._tallies.get(key)
                if cached is None or cached.as_of < self._foreign_at:
                    missing[key] = None
                else:
                    tallies[key] = cached.value
        return list(missing)

    def remember(
        self, states: Mapping[str, Folded | Exception], tallies: Mapping[str, Tally], position: int
    ) -> None:
        for stream, folded in states.items():
            if isinstance(folded, Folded):
                self._keep(self._streams, stream, folded, position)
        for key, its in tallies.items():
            self._keep(self._tallies, key, its, position)
        self._own_head = position

    def _keep(self, cache: OrderedDict[str, _Cached], key: str, value: Any, position: int) -> None:
        cache[key] = _Cached(value, position)
        cache.move_to_end(key)
        if len(cache) > self._entries_max:
            cache.popitem(last=False)

    def forget(self) -> None:
        self._streams.clear()
        self._tallies.clear()
        self._own_head = -1


def _decoded(keys: Iterable[str], found: Mapping[str, bytes]) -> dict[str, Tally]:
    return {key: tally.decode(key, found.get(key)) for key in keys}
