"""The seal: a hash chain over the log that shows any later change to what was stored.

`seal(n) = sha256(seal(n-1), position, stream, version, tag, payload, metadata)`; every field is
preceded by its length as 8 bytes big-endian, integers are 8 bytes big-endian, text is UTF-8.
The seal before position 1 is 32 zero bytes. Test vectors stand in docs/SEAL.md.
"""

from collections.abc import Iterable
from hashlib import sha256
from struct import Struct

from domain.log import Head, Recorded

_length = Struct(">Q").pack
_fixed = Struct(">Q32sQQQ").pack
_HASH_BYTES = 32
_INTEGER_BYTES = 8


def seal(
    previous: bytes,
    position: int,
    stream: str,
    version: int,
    tag: str,
    payload: bytes,
    metadata: bytes,
) -> bytes:
    name, kind = stream.encode(), tag.encode()
    return sha256(
        b"".join(
            (
                _fixed(_HASH_BYTES, previous, _INTEGER_BYTES, position, len(name)),
                name,
                _length(_INTEGER_BYTES),
                _length(version),
                _length(len(kind)),
                kind,
                _length(len(payload)),
                payload,
                _length(len(metadata)),
                metadata,
            )
        )
    ).digest()


class SealBroken(Exception):  # noqa: N818 - says what is so
    """The log differs from what was sealed at `position`."""

    def __init__(self, position: int, text: str) -> None:
        super().__init__(text)
        self.position = position


def verify_page(head: Head, page: Iterable[Recorded]) -> Head:
    """Check one page that follows `head`; return the new head or raise SealBroken."""
    position, previous = head.position, head.seal
    for event in page:
        position += 1
        if event.position != position:
            raise SealBroken(position, f"Position {position} is missing; {event.position} follows.")
        previous = seal(
            previous,
            position,
            event.stream,
            event.version,
            event.tag,
            event.payload,
            event.metadata,
        )
        if previous != event.seal:
            raise SealBroken(position, f"Position {position} is not what was sealed.")
    return Head(position, previous)
