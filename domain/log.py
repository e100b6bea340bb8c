"""The log's own nouns: what is stored about an event, a command's receipt and the head.

Times are integer UTC microseconds, positions and versions start at 1.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Literal

from msgspec import Struct


class StoreUnavailable(Exception):  # noqa: N818 - says what is so
    """The store did not answer, or refused to write. Nothing is known to have been stored."""


class Metadata(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Who caused an event, when, and the keys by which projections and topics route it."""

    command_id: str
    correlation_id: str
    actor: str
    recorded_at_us: int
    causation_id: str | None = None
    """Position of the event that made a worker act, as text; None where a client asked."""
    code_version: str = ""
    account: str | None = None
    connector: str | None = None
    pair: str | None = None


class Routing(Struct, frozen=True):
    """The keys of an aggregate's events, taken from its state."""

    account: str | None = None
    connector: str | None = None
    pair: str | None = None


class Recorded(Struct, frozen=True):
    """One stored event, as bytes: exactly what was sealed and what Kafka carries."""

    position: int
    stream: str
    version: int
    tag: str
    payload: bytes
    metadata: bytes
    seal: bytes = b""


class Receipt(Struct, frozen=True, kw_only=True):
    """What became of one command id, for ever."""

    command_id: str
    actor: str
    kind: str
    request_hash: bytes
    stream: str
    outcome: Literal["accepted", "refused"]
    position: int
    """Of the command's last event; where it wrote none, of the head it was decided on."""
    events: int
    recorded_at_us: int
    code: str | None = None
    text: str | None = None


class Head(Struct, frozen=True):
    """The last position of the log and its seal; (0, 32 zero bytes) when empty."""

    position: int = 0
    seal: bytes = bytes(32)


class Fence(Struct, frozen=True):
    """A lease that must still be held, by this number, in the transaction that appends."""

    account: str
    lease: int


class Wanted(Struct, frozen=True):
    """What a batch is decided on, beside what is known already."""

    command_ids: Sequence[str] = ()
    versions: Mapping[str, int] = {}
    """Streams, each with the version up to which it is known."""
    tallies: Collection[str] = ()
    fences: Sequence[Fence] = ()


class Found(Struct):
    """The answers, as they stay until commit."""

    head: Head
    tallied: int
    """The position up to which tallies are counted: the head's, but for an older writer."""
    receipts: Mapping[str, Receipt]
    """By command id."""
    events: Sequence[Recorded]
    """Those above the given versions, in order."""
    tallies: Mapping[str, bytes]
    held: frozenset[Fence]
    """Those fences whose lease still has this number."""


NOTHING = Wanted()
