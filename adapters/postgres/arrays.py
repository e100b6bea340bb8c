"""Arrays for `unnest`, written in Postgres' binary form in one pass.

The driver's own list dumper looks at each element several times; a batch of events has seven arrays
of some hundred elements under the log's lock, so this is where a commit's time would go.
"""

import struct
from collections.abc import Sequence

from psycopg import Connection
from psycopg.abc import Buffer
from psycopg.adapt import Dumper
from psycopg.pq import Format

_TEXT, _BYTEA, _INT8 = 25, 17, 20
_NULL = struct.pack(">i", -1)
_length = struct.Struct(">i").pack
_integer = struct.Struct(">iq").pack


class Texts:
    """A `text[]`; None is null."""

    __slots__ = ("items",)

    def __init__(self, items: Sequence[str | None]) -> None:
        self.items = items


class Bytes:
    """A `bytea[]`."""

    __slots__ = ("items",)

    def __init__(self, items: Sequence[bytes]) -> None:
        self.items = items


class Integers:
    """A `bigint[]`."""

    __slots__ = ("items",)

    def __init__(self, items: Sequence[int]) -> None:
        self.items = items


def _array(element_type: int, count: int, body: list[bytes]) -> bytes:
    """One dimension from index 1; the null flag is a hint that the server recomputes."""
    if not count:
        return struct.pack(">iii", 0, 0, element_type)
    return struct.pack(">iiiii", 1, 1, element_type, count, 1) + b"".join(body)


class _TextsDumper(Dumper):
    format = Format.BINARY
    oid = 1009

    def dump(self, obj: Texts) -> Buffer:
        body = []
        for item in obj.items:
            if item is None:
                body.append(_NULL)
            else:
                encoded = item.encode()
                body += (_length(len(encoded)), encoded)
        return _array(_TEXT, len(obj.items), body)


class _BytesDumper(Dumper):
    format = Format.BINARY
    oid = 1001

    def dump(self, obj: Bytes) -> Buffer:
        body = []
        for item in obj.items:
            body += (_length(len(item)), item)
        return _array(_BYTEA, len(obj.items), body)


class _IntegersDumper(Dumper):
    format = Format.BINARY
    oid = 1016

    def dump(self, obj: Integers) -> Buffer:
        body = [_integer(8, item) for item in obj.items]
        return _array(_INT8, len(obj.items), body)


def register(connection: Connection[object]) -> None:
    connection.adapters.register_dumper(Texts, _TextsDumper)
    connection.adapters.register_dumper(Bytes, _BytesDumper)
    connection.adapters.register_dumper(Integers, _IntegersDumper)
