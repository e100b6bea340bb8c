"""The log as JSON lines, and the check of its seals, from the database or from an export.

One line an event: position, stream, version, tag, payload and metadata (the stored bytes as text,
so that the seal can be computed from the line alone), seal in hex.
"""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import psycopg

from adapters.postgres.log import read_log
from commands.seal import SealBroken, verify_page
from domain.log import Head, Recorded

PAGE_EVENTS = 2000


class Line(msgspec.Struct, frozen=True):
    position: int
    stream: str
    version: int
    tag: str
    payload: str
    metadata: str
    seal: str


_decode_line = msgspec.json.Decoder(Line).decode
_encode_line = msgspec.json.Encoder().encode


def pages(
    connection: psycopg.Connection[Any], after: int = 0, until: int | None = None
) -> Iterator[list[Recorded]]:
    """The log's events above `after` up to and with `until`, page by page."""
    while page := read_log(connection, after, PAGE_EVENTS):
        if until is not None and page[-1].position >= until:
            yield [event for event in page if event.position <= until]
            return
        yield page
        after = page[-1].position


def to_line(event: Recorded) -> bytes:
    return _encode_line(
        Line(
            event.position,
            event.stream,
            event.version,
            event.tag,
            event.payload.decode(),
            event.metadata.decode(),
            event.seal.hex(),
        )
    )


def read_export(path: Path) -> Iterator[list[Recorded]]:
    """Pages of an export. Raises OSError, or ValueError naming the line that is no event."""
    with path.open("rb") as lines:
        page: list[Recorded] = []
        for number, text in enumerate(lines, 1):
            page.append(_recorded(text, number))
            if len(page) == PAGE_EVENTS:
                yield page
                page = []
        if page:
            yield page


def _recorded(text: bytes, number: int) -> Recorded:
    try:
        line = _decode_line(text)
        seal = bytes.fromhex(line.seal)
    except (msgspec.DecodeError, ValueError) as error:
        raise ValueError(f"Line {number} is no event: {error}") from error
    return Recorded(
        line.position,
        line.stream,
        line.version,
        line.tag,
        line.payload.encode(),
        line.metadata.encode(),
        seal,
    )


def verify(
    pages_of_log: Iterable[list[Recorded]],
    start: Head | None = None,
    progress: Callable[[int], None] = lambda _position: None,
) -> Head:
    """Check every seal; answers the last head or raises SealBroken.

    Without `start` an export that begins later than position 1 is trusted in its first event.
    """
    head = start
    for page in pages_of_log:
        first = page[0]
        if head is None and first.position > 1:
            head = Head(first.position, first.seal)
            page = page[1:]  # noqa: PLW2901 - the first event is the trusted start
        head = verify_page(head or Head(), page)
        progress(head.position)
    return head or Head()


def check_head(verified: Head, stored: Head) -> None:
    """The head row must be the last event: raises SealBroken where the log's end was cut off."""
    if verified != stored:
        raise SealBroken(
            verified.position + 1,
            f"The log ends at position {verified.position}, but its head says {stored.position}.",
        )
