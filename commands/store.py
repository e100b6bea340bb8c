"""What the log asks of its storage. Two implementations pass one contract suite.

An `Append` is one transaction under the log's lock. Its methods are called in the order in which
they stand here; leaving without `commit` undoes everything.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from domain.log import Fence, Head, Receipt, Recorded


class Append(Protocol):
    def lock(self) -> Head:
        """Wait for the log's lock; answer the head that no one else can move now."""

    def receipts(self, command_ids: Sequence[str]) -> Mapping[str, Receipt]: ...

    def newer(self, versions: Mapping[str, int]) -> Sequence[Recorded]:
        """Events of the named streams above the given versions, in order."""

    def held(self, fences: Sequence[Fence]) -> frozenset[Fence]:
        """Those fences whose lease still has this number; they stay so until commit."""

    def write_receipts(self, receipts: Sequence[Receipt]) -> None: ...

    def write_events(self, events: Sequence[Recorded], head: Head) -> None:
        """Store events and head, and wake the followers at commit."""

    def commit(self) -> None: ...


class Store(Protocol):
    def append(self) -> AbstractContextManager[Append]: ...

    def head(self) -> Head: ...

    def read_stream(
        self, stream: str, after: int = 0, limit: int | None = None
    ) -> Sequence[Recorded]: ...

    def read_log(self, after: int, limit: int) -> Sequence[Recorded]: ...

    def find_receipts(self, command_ids: Sequence[str]) -> Mapping[str, Receipt]: ...

    def close(self) -> None: ...
