"""What a follower of the log is sent: server-sent events, whose ids are positions.

The surprising thing: how far a follower is comes as an event of its own type, `position`, and not
as an id without data, because several client libraries do not remember the id of such a frame.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from api.audit.events import item
from commands.codec import decode_metadata
from domain.log import Metadata, Recorded

BATCH_BYTES = 256 * 1024
ALIVE = b":\n\n"
OPENING = b"retry: 1000\n\n"
"""Milliseconds after which a client that was cut off comes back."""


class Entry:
    """One event of the log; its frame is made when somebody first wants it, and only once."""

    __slots__ = ("_frame", "metadata", "recorded")

    def __init__(self, recorded: Recorded) -> None:
        self.recorded = recorded
        self.metadata: Metadata = decode_metadata(recorded.metadata)
        self._frame = b""

    @property
    def position(self) -> int:
        return self.recorded.position

    @property
    def size(self) -> int:
        """About what the entry holds in memory, frame included."""
        return 2_000 + 2 * (len(self.recorded.payload) + len(self.recorded.metadata))

    def frame(self) -> bytes:
        if not self._frame:
            shown = item(self.recorded)
            self._frame = b"id: %d\nevent: %b\ndata: %b\n\n" % (
                shown.position,
                shown.tag.encode(),
                msgspec.json.encode(shown),
            )
        return self._frame


class Wanted(Struct, frozen=True, cache_hash=True):
    """Which events a follower asks for. Fields are names of snippets in `audit.sql`; µs."""

    stream: str | None = None
    tag: str | None = None
    actor: str | None = None
    command_id: str | None = None
    correlation_id: str | None = None
    from_time: int | None = None
    to_time: int | None = None

    def takes(self, entry: Entry) -> bool:
        recorded, metadata = entry.recorded, entry.metadata
        return (
            self.stream in {None, recorded.stream}
            and self.tag in {None, recorded.tag}
            and self.actor in {None, metadata.actor}
            and self.command_id in {None, metadata.command_id}
            and self.correlation_id in {None, metadata.correlation_id}
            and (self.from_time is None or metadata.recorded_at_us >= self.from_time)
            and (self.to_time is None or metadata.recorded_at_us <= self.to_time)
        )


class Batch(Struct, frozen=True):
    """Frames for a follower, and the position up to which the log was looked through for them."""

    content: bytes
    events: int
    position: int


def gather(wanted: Wanted, entries: Sequence[Entry], position: int, before: int) -> Batch:
    """Frames of what is wanted below `before`; stops early when they are many."""
    frames: list[bytes] = []
    size = 0
    for entry in entries:
        if entry.position >= before:
            position = before - 1
            break
        if size >= BATCH_BYTES:
            break
        position = entry.position
        if wanted.takes(entry):
            frame = entry.frame()
            frames.append(frame)
            size += len(frame)
    return Batch(b"".join(frames), len(frames), position)


def position_frame(position: int, event: str = "position") -> bytes:
    return b'id: %d\nevent: %b\ndata: {"position":%d}\n\n' % (position, event.encode(), position)


def end_frame(position: int) -> bytes:
    """The range that was asked for is through: nothing more can come of it."""
    return position_frame(position, "end")


def entries_of(rows: Sequence[tuple[Any, ...]]) -> list[Entry]:
    """Rows have the columns of `audit.sql`."""
    return [Entry(Recorded(*row)) for row in rows]
