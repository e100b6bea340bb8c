"""Places in a list, opaque to clients: which list, where, and a tag that only we can make."""

import base64
import binascii
import hmac

import msgspec

from api.errors import invalid

_VERSION = 1
_TAG_BYTES = 12


class Cursors:
    def __init__(self, key: bytes) -> None:
        self._key = hmac.digest(key, b"cursors", "sha256")

    def make(self, name: str, position: int, as_of: int | None = None) -> str:
        """`name` says the list and its order; `as_of` the position that its pages are of."""
        then = () if as_of is None else (as_of,)
        place = msgspec.msgpack.encode((_VERSION, name, position, *then))
        return base64.urlsafe_b64encode(self._tag(place) + place).decode().rstrip("=")

    def read(self, name: str, cursor: str) -> int:
        """Raise Failure 422 for what is no cursor of this list."""
        return self.read_with_as_of(name, cursor)[0]

    def read_with_as_of(self, name: str, cursor: str) -> tuple[int, int | None]:
        """As `make` was given them. Raises Failure 422."""
        try:
            raw = base64.urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
        except (binascii.Error, UnicodeEncodeError):
            raise _bad(cursor) from None
        tag, place = raw[:_TAG_BYTES], raw[_TAG_BYTES:]
        if not hmac.compare_digest(tag, self._tag(place)):
            raise _bad(cursor)
        version, its_name, position, *then = msgspec.msgpack.decode(place)
        if version != _VERSION or its_name != name:
            raise _bad(cursor)
        return int(position), int(then[0]) if then else None

    def _tag(self, place: bytes) -> bytes:
        return hmac.digest(self._key, place, "sha256")[:_TAG_BYTES]


def _bad(cursor: str) -> Exception:
    text = "This is no cursor of this list. Pass next_cursor of its last page, unchanged."
    return invalid("value_error", ("cursor",), text, cursor[:200])
