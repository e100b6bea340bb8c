"""Counts the log again: what its tallies must be.

Needed for a log from before there were tallies, after events of an older process, and to prove that
what was counted while writing is right. Until that is done no append takes place.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from commands import codec
from commands.catalogue import aggregate_of
from commands.store import Append, Store
from domain import tally
from domain.log import Recorded, StoreUnavailable, Wanted
from domain.tally import Tally

PAGE_EVENTS = 2000
_STREAMS_MAX = 100_000


class Recount:
    """Tallies from the events that it was given, in order; `changed` are theirs alone."""

    def __init__(self, start: Mapping[str, bytes]) -> None:
        self.tallies: dict[str, Tally] = {k: tally.decode(k, v) for k, v in start.items()}
        self.changed: set[str] = set()
        self._states: OrderedDict[str, tuple[int, Any]] = OrderedDict()

    def encoded(self) -> dict[str, bytes]:
        return {key: tally.encode(its) for key, its in self.tallies.items()}

    def take(
        self, page: Sequence[Recorded], read: Callable[[Sequence[str]], Sequence[Recorded]]
    ) -> None:
        """Count a page; `read` answers all events of streams whose earlier ones are not known."""
        self._read_earlier(page, read)
        for recorded in page:
            counting = aggregate_of(recorded.stream).counting
            if counting is None:
                continue
            _, before = self._states.get(
                recorded.stream, (0, aggregate_of(recorded.stream).initial)
            )
            event, after = self._evolve(recorded)
            at_us = codec.decode_metadata(recorded.metadata).recorded_at_us
            for key in counting.touched(before, event, after):
                its = self.tallies.get(key) or tally.decode(key, None)
                self.tallies[key] = counting.evolve(its, recorded.stream, event, after, at_us)
                self.changed.add(key)
        while len(self._states) > _STREAMS_MAX:
            self._states.popitem(last=False)

    def _read_earlier(
        self, page: Sequence[Recorded], read: Callable[[Sequence[str]], Sequence[Recorded]]
    ) -> None:
        first: dict[str, int] = {}
        for recorded in page:
            first.setdefault(recorded.stream, recorded.version)
        missing = [
            stream
            for stream, version in first.items()
            if version > 1
            and stream not in self._states
            and aggregate_of(stream).counting is not None
        ]
        for recorded in read(missing) if missing else ():
            if recorded.version < first[recorded.stream]:
                self._evolve(recorded)

    def _evolve(self, recorded: Recorded) -> tuple[Any, Any]:
        aggregate = aggregate_of(recorded.stream)
        _, state = self._states.get(recorded.stream, (0, aggregate.initial))
        event = codec.decode_recorded(recorded)
        state = aggregate.evolve(state, event)
        self._states[recorded.stream] = (recorded.version, state)
        self._states.move_to_end(recorded.stream)
        return event, state


def catch_up(store: Store, append: Append, tallied: int, position: int) -> None:
    """Count what an older process wrote, under the log's lock. Raises StoreUnavailable if long."""
    if not 0 <= position - tallied <= PAGE_EVENTS:
        raise StoreUnavailable(
            f"Orders are counted up to position {tallied} of {position}. Run `aviary migrate`, "
            "which counts the rest; until then nothing can be decided."
        )
    recount = Recount(store.read_tallies())
    _take_page(recount, store, append, tallied, position)
    changed = {key: tally.encode(recount.tallies[key]) for key in recount.changed}
    append.write_tallies(changed, position)


def recount(store: Store, progress: Callable[[int, int], None] = lambda _at, _head: None) -> int:
    """Count all of the log and replace the tallies; answers the position. Others go on writing."""
    counted, at = Recount({}), 0
    while (head := store.head().position) - at > PAGE_EVENTS:
        page = store.read_log(at, PAGE_EVENTS)
        counted.take(page, lambda streams: _whole(store, streams))
        at = page[-1].position
        progress(at, head)
    with store.append() as append:
        head = append.lock().head.position
        while at < head:
            at = _take_page(counted, store, append, at, head)
        append.drop_tallies()
        append.write_tallies(counted.encoded(), head)
        append.commit()
    progress(head, head)
    return head


def recount_if_behind(store: Store) -> bool:
    """Count where something is not counted: called where the schema is brought up to date."""
    with store.append() as append:
        found = append.lock()
        is_behind = found.head.position != found.tallied
    if is_behind:
        recount(store)
    return is_behind


def _take_page(counted: Recount, store: Store, append: Append, after: int, until: int) -> int:
    page = [e for e in store.read_log(after, PAGE_EVENTS) if e.position <= until]

    def whole(streams: Sequence[str]) -> Sequence[Recorded]:
        return append.look(Wanted(versions=dict.fromkeys(streams, 0))).events

    counted.take(page, whole)
    return page[-1].position if page else until


def _whole(store: Store, streams: Sequence[str]) -> list[Recorded]:
    return [recorded for stream in streams for recorded in store.read_stream(stream)]
