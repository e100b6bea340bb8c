"""What a batch is decided on, brought up to date under the log's lock: streams, guards, tallies.

Streams are remembered and what is newer is read; tallies are always read. New states are taken only
after COMMIT, and dropped on any error.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain

from commands.catalogue import aggregate_of
from commands.decisions import Folded, fold
from commands.request import Request
from commands.store import Append, Store
from domain import tally
from domain.log import Found, Wanted
from domain.tally import Tally

States = dict[str, Folded | Exception]
WARM_EVENTS = 2000


class Current:
    def __init__(self, streams_max: int) -> None:
        self._streams_max = streams_max
        self._streams: OrderedDict[str, Folded] = OrderedDict()

    def warm(self, store: Store, requests: Iterable[Request]) -> None:
        """Fold long streams that are not known, page by page, while others may still write.

        Under the lock it would stop everybody, and a session that is silent for 2 s is cut.
        """
        for stream in {request.stream for request in requests}:
            if stream in self._streams or not aggregate_of(stream).is_long:
                continue
            states: States = {stream: _unknown(stream, _version_before(store, stream))}
            while isinstance(folded := states[stream], Folded):
                events = store.read_stream(stream, folded.version, WARM_EVENTS)
                fold(states, events)
                if len(events) < WARM_EVENTS:
                    break  # What comes from here on is read under the lock.
            self.remember(states)

    def known(self, requests: Sequence[Request]) -> States:
        """The streams and guards of these requests as far as they are remembered."""
        names = {request.stream: None for request in requests}
        guards = {aggregate_of(r.stream).guards(r.command): None for r in requests}
        return {
            stream: self._streams.get(stream) or _unknown(stream)
            for stream in chain(names, *guards)
        }

    def remember(self, states: Mapping[str, Folded | Exception]) -> None:
        for stream, folded in states.items():
            if isinstance(folded, Folded):
                self._streams[stream] = folded
                self._streams.move_to_end(stream)
        while len(self._streams) > self._streams_max:
            self._streams.popitem(last=False)

    def forget(self) -> None:
        """Long streams stay: to fold them again takes seconds, and what is newer is always read."""
        for stream in [name for name in self._streams if not aggregate_of(name).is_long]:
            del self._streams[stream]


def wanted(requests: Sequence[Request], known: States) -> Wanted:
    """Whatever else these requests are decided on."""
    versions = {name: its.version for name, its in known.items() if isinstance(its, Folded)}
    return Wanted(
        [request.command_id for request in requests],
        versions,
        _tallies_of(requests, known),
        list({request.fence for request in requests if request.fence is not None}),
    )


def brought_up(
    append: Append, requests: Sequence[Request], known: States, asked: Wanted, found: Found
) -> tuple[States, Mapping[str, Tally]]:
    """States and tallies under the lock; read again where a stream was not known to touch them."""
    states = dict(known)
    fold(states, found.events)
    tallies = dict(found.tallies)
    moved = {recorded.stream for recorded in found.events}
    keys = _tallies_of([r for r in requests if r.stream in moved], states)
    if missing := [key for key in keys if key not in asked.tallies]:
        tallies |= append.look(Wanted(tallies=missing)).tallies
    return states, {
        key: tally.decode(key, tallies.get(key)) for key in chain(asked.tallies, missing)
    }


def _tallies_of(requests: Iterable[Request], states: States) -> Mapping[str, None]:
    found: dict[str, None] = {}
    for request in requests:
        counting = aggregate_of(request.stream).counting
        folded = states[request.stream]
        if counting is not None and isinstance(folded, Folded):
            found |= dict.fromkeys(counting.keys(request.command, folded.state))
    return found


def _unknown(stream: str, version: int = 0) -> Folded:
    return Folded(version, aggregate_of(stream).initial)


def _version_before(store: Store, stream: str) -> int:
    """From where on its events say all of a stream's state."""
    whole = aggregate_of(stream).whole
    return max(0, store.last_of(stream, whole) - 1) if whole else 0
