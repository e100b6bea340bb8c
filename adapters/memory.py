"""The store in memory: for tests and tools, held to the same contract suite as Postgres.

Built on the event-sourcing library's plain-object recorder, whose positions are dense.
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from eventsourcing.persistence import StoredEvent
from eventsourcing.popo import POPOApplicationRecorder

from domain.log import NOTHING, Found, Head, Receipt, Recorded, Wanted


class MemoryAppend:
    """One transaction: buffered, and applied at commit."""

    def __init__(self, store: "MemoryStore") -> None:
        self._store = store
        self._events: list[Recorded] = []
        self._receipts: list[Receipt] = []
        self._tallies = dict(store.tallies)
        self._tallied = store.tallied

    def lock(self, wanted: Wanted = NOTHING) -> Found:
        return self.look(wanted)

    def look(self, wanted: Wanted) -> Found:
        return Found(
            self._store.head(),
            self._tallied,
            self._store.find_receipts(wanted.command_ids),
            [
                event
                for stream, version in wanted.versions.items()
                for event in self._store.read_stream(stream, version)
            ],
            {key: self._tallies[key] for key in wanted.tallies if key in self._tallies},
            frozenset(f for f in wanted.fences if self._store.leases.get(f.account) == f.lease),
        )

    def write_receipts(self, receipts: Sequence[Receipt]) -> None:
        self._receipts.extend(receipts)

    def write_events(
        self, events: Sequence[Recorded], head: Head, tallies: Mapping[str, bytes] | None = None
    ) -> None:
        if head.position != events[-1].position:
            raise ValueError(f"The head {head.position} is not the last event's position.")
        self._events.extend(events)
        if tallies is not None:
            self.write_tallies(tallies, head.position)

    def write_tallies(self, tallies: Mapping[str, bytes], position: int) -> None:
        self._tallies.update(tallies)
        self._tallied = position

    def drop_tallies(self) -> None:
        self._tallies.clear()

    def commit(self) -> None:
        self._store.apply(self._events, self._receipts)
        self._store.tallies, self._store.tallied = self._tallies, self._tallied


class MemoryStore:
    """A log and its receipts; `leases` (account to number) is set by tests and tools."""

    def __init__(self) -> None:
        self.leases: dict[str, int] = {}
        self.tallies: dict[str, bytes] = {}
        self.tallied = 0
        self._recorder = POPOApplicationRecorder()
        self._log: list[Recorded] = []
        self._streams: dict[str, list[Recorded]] = {}
        self._receipts: dict[str, Receipt] = {}
        self._lock = threading.Lock()

    @contextmanager
    def append(self) -> Iterator[MemoryAppend]:
        with self._lock:
            yield MemoryAppend(self)

    def apply(self, events: Sequence[Recorded], receipts: Sequence[Receipt]) -> None:
        self._recorder.insert_events(
            [StoredEvent(e.stream, e.version, e.tag, e.payload) for e in events]
        )
        for event in events:
            self._log.append(event)
            self._streams.setdefault(event.stream, []).append(event)
        self._receipts.update({receipt.command_id: receipt for receipt in receipts})

    def head(self) -> Head:
        return Head(self._log[-1].position, self._log[-1].seal) if self._log else Head()

    def read_stream(
        self, stream: str, after: int = 0, limit: int | None = None
    ) -> Sequence[Recorded]:
        end = None if limit is None else after + limit
        return self._streams.get(stream, [])[after:end]

    def last_of(self, stream: str, tags: Sequence[str]) -> int:
        found = (event.version for event in self._streams.get(stream, []) if event.tag in tags)
        return max(found, default=0)

    def read_log(self, after: int, limit: int) -> Sequence[Recorded]:
        return self._log[after : after + limit]

    def read_tallies(self) -> Mapping[str, bytes]:
        return dict(self.tallies)

    def find_receipts(self, command_ids: Sequence[str]) -> Mapping[str, Receipt]:
        return {name: self._receipts[name] for name in command_ids if name in self._receipts}

    def close(self) -> None:
        """Nothing to close: kept until the object goes."""
