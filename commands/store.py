"""What the log asks of its storage. Two implementations pass one contract suite.

An `Append` is one transaction under the log's lock. Its methods are called in the order in which
they stand here; leaving without `commit` undoes everything.
"""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from domain.log import Fence, Head, Receipt, Recorded


class Append(Protocol):
    def lock(self) -> Head:
        """Wait for the log's lock; answer the head that no one else can move now."""

    def receipts(self, command_ids: Sequence[str]) -> Mapping[str, Receipt]: ...

    def tallied(self) -> int:
        """The position up to which tallies are counted: the head's, but for an older writer."""

    def recounts(self) -> int:
        """How often all tallies were dropped: those remembered from before count no more."""

    def newer(
        self, versions: Mapping[str, int], tallies: Collection[str] = ()
    ) -> tuple[Sequence[Recorded], Mapping[str, bytes]]:
        """Events of the named streams above the given versions, in order; tallies by key."""

    def held(self, fences: Sequence[Fence]) -> frozenset[Fence]:
        """Those fences whose lease still has this number; they stay so until commit."""

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

    def commit(self) -> None: ...


class Store(Protocol):
    def append(self) -> AbstractContextManager[Append]: ...

    def head(self) -> Head: ...

    def read_stream(
        self, stream: str, after: int = 0, limit: int | None = None
    ) -> Sequence[Recorded]: ...

    def read_log(self, after: int, limit: int) -> Sequence[Recorded]: ...

    def read_tallies(self) -> Mapping[str, bytes]: ...

    def find_receipts(self, command_ids: Sequence[str]) -> Mapping[str, Receipt]: ...

    def close(self) -> None: ...
