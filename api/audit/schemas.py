"""The shapes of the audit routes."""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from api.schemas import Limit, Position, Text, Time


class EventMatch(Struct, frozen=True):
    stream: Text | None = None
    tag: Text | None = None
    actor: Text | None = None
    command_id: Text | None = None
    correlation_id: Text | None = None
    from_time: Time | None = None
    to_time: Time | None = None
    after: Position | None = None
    before: Position | None = None


class EventFilter(EventMatch, frozen=True):
    limit: Limit = 100
    order: Literal["asc", "desc"] = "desc"
    cursor: Annotated[str, Meta(max_length=400)] | None = None


class StreamFilter(Struct, frozen=True):
    limit: Limit = 100
    after_version: Position = 0


class EventItem(Struct, frozen=True, kw_only=True):
    """One event of the log with everything that is known about it; times are UTC."""

    position: int
    stream: str
    version: int
    tag: str
    recorded_at: str
    recorded_at_us: int
    actor: str
    command_id: str
    correlation_id: str
    causation_id: str | None
    account: str | None
    connector: str | None
    pair: str | None
    code_version: str
    data: dict[str, Any]
    """The event's own fields: amounts are text, exact."""
    seal: str


class EventPagination(Struct, frozen=True):
    limit: int
    has_more: bool
    next_cursor: str | None


class EventPage(Struct, frozen=True):
    data: list[EventItem]
    pagination: EventPagination


class StreamPage(Struct, frozen=True):
    """Events of one stream above `after_version`, and what they all come to."""

    stream: str
    version: int
    state: dict[str, Any] | None
    state_error: str | None
    data: list[EventItem]
    has_more: bool


class ReceiptItem(Struct, frozen=True):
    command_id: str
    actor: str
    kind: str
    stream: str
    outcome: Literal["accepted", "refused"]
    code: str | None
    text: str | None
    events: int
    first_position: int | None
    last_position: int
    recorded_at_us: int


class CommandPage(Struct, frozen=True):
    receipt: ReceiptItem
    events: list[EventItem]
    correlated: list[EventItem]
    """What workers did because of it; at most 1000, oldest first."""


class VerifyRange(Struct, frozen=True, rename={"from_": "from"}):
    from_: Annotated[int, Meta(ge=1, le=2**63 - 1)] | None = None
    to: Annotated[int, Meta(ge=0, le=2**63 - 1)] | None = None


class Verified(Struct, frozen=True, rename={"from_": "from"}):
    status: Literal["clean", "broken"]
    from_: int
    to: int
    text: str
    """Says what the check rests on: the seal before `from` is taken on trust."""
    position: int | UnsetType = UNSET
    """Of the first event that differs."""


class ParkedItem(Struct, frozen=True):
    projection: str
    key: str
    first_position: int
    events: int
    error: str


class ParkedList(Struct, frozen=True):
    data: list[ParkedItem]


class RetryBody(Struct, frozen=True):
    projection: Text | None = None
    key: Text | None = None


class RetriedItem(Struct, frozen=True):
    projection: str
    key: str
    is_cured: bool
    error: str | None


class RetriedList(Struct, frozen=True):
    data: list[RetriedItem]
