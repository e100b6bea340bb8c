"""What the log asks of its storage. Two implementations pass one contract suite.

An `Append` is one transaction under the log's lock. Its methods are called in the order in which
they stand here; leaving without `commit` undoes everything.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from domain.log import NOTHING, Found, Head, Receipt, Recorded, Wanted


class Append(Protocol):
    def lock(self, wanted: Wanted = NOTHING) -> Found:
        """Wait for the log's lock, and answer: both in one round trip."""

    def look(self, wanted: Wanted) -> Found:
        """What was not known to be wanted before; it sees what was written since."""

    def write_receipts(self, receipts: Sequence[Receipt]) -> None: ...

    def write_events(
        self, events: Sequence[Recorded], head: Head, tallies: Mapping[str, bytes] | None = None
    ) -> None:
        """Store events, head and changed tallies, and wake the followers at commit.

        Without tallies the events are not counted yet.
        """

    def write_tallies(self, tallies: Mapping[str, bytes], position: int) -> None:
        """Set tallies; from here on all are counted up to the position."""

    def drop_tallies(self) -> None: ...

    def commit(self) -> None:
        """Raises also for what the store has against any of the writes."""


class Store(Protocol):
    def append(self) -> AbstractContextManager[Append]: ...

    def head(self) -> Head: ...

    def read_stream(
        self, stream: str, after: int = 0, limit: int | None = None
    ) -> Sequence[Recorded]: ...

    def last_of(self, stream: str, tags: Sequence[str]) -> int:
        """The version of a stream's last event with one of these tags; 0 where there is none."""

    def read_log(self, after: int, limit: int) -> Sequence[Recorded]: ...

    def read_tallies(self) -> Mapping[str, bytes]: ...

    def find_receipts(self, command_ids: Sequence[str]) -> Mapping[str, Receipt]: ...

    def close(self) -> None: ...
