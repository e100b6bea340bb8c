"""Rows of a query as JSON, CSV or an Arrow stream, cut where they become too many or too large.

JSON: DECIMAL is a string with all its digits, whole numbers are numbers, NaN and infinities are
null, binary is base64, times are ISO 8601. CSV says the same in the same words; null is empty.
Arrow has the types themselves.
"""

import csv
import io
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

JSON, CSV, ARROW = "application/json", "text/csv", "application/vnd.apache.arrow.stream"
FORMATS = (JSON, CSV, ARROW)
_PAGE = 1000
_PAGE_OF_ARROW = 4096
_PLAIN = (str, int)
_encode = msgspec.json.Encoder(enc_hook=str).encode


class Column(Struct, frozen=True):
    name: str
    type: str
    """DuckDB's name of it."""


class Limits(Struct, frozen=True):
    rows_max: int
    bytes_max: int


class Made(Struct, frozen=True):
    body: bytes
    row_count: int
    cut_by: str | None
    """Which limit left rows out: `rows` or `bytes`."""


class TooWide(Exception):  # noqa: N818 - says what is so
    """The names and types of the columns alone are more than an answer may be."""


def made(result: "DuckDBPyConnection", kind: str, limits: Limits, position: int) -> Made:
    """Fetch what was executed. Raises TooWide before it does, or duckdb.Error."""
    match kind:
        case "application/json":
            return _json(result, limits, position)
        case "text/csv":
            return _csv(result, limits)
        case _:
            return _arrow(result, limits)


def _json(result: "DuckDBPyConnection", limits: Limits, position: int) -> Made:
    columns = msgspec.json.encode(_columns(result, limits))
    parts: list[bytes] = []
    cut = _Cut(limits, len(columns))
    for row in cut.rows(result):
        part = _encode([_shown(value) for value in row])
        if not cut.takes(len(part) + 1):
            break
        parts.append(part)
    shown = msgspec.json.encode(
        {
            "truncated": cut.by is not None,
            "truncated_by": cut.by,
            "row_count": cut.count,
            "position": position,
        }
    )
    body = b'{"columns":%b,"rows":[%b],%b' % (
        columns,
        b",".join(parts),
        shown[1:],
    )
    return Made(body, cut.count, cut.by)


def _csv(result: "DuckDBPyConnection", limits: Limits) -> Made:
    line = io.StringIO()
    writer = csv.writer(line)
    writer.writerow([column.name for column in _columns(result, limits)])
    parts = [line.getvalue()]
    cut = _Cut(limits, len(parts[0].encode()))
    for row in cut.rows(result):
        line.seek(0)
        line.truncate()
        writer.writerow([_text(value) for value in row])
        part = line.getvalue()
        if not cut.takes(len(part.encode())):
            break
        parts.append(part)
    return Made("".join(parts).encode(), cut.count, cut.by)


def _arrow(result: "DuckDBPyConnection", limits: Limits) -> Made:
    import pyarrow as pa

    _columns(result, limits)
    reader = result.to_arrow_reader(_PAGE_OF_ARROW)
    cut = _Cut(limits, reader.schema.serialize().size)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, reader.schema) as stream:
        for found in reader:
            room = limits.rows_max - cut.count
            batch = found
            if batch.num_rows > room:
                batch, cut.by = batch.slice(0, room), "rows"
            if sink.tell() + pa.ipc.get_record_batch_size(batch) > limits.bytes_max:
                cut.by = "bytes"
                break
            stream.write_batch(batch)
            cut.count += batch.num_rows
            if cut.by is not None:
                break
    return Made(sink.getvalue().to_pybytes(), cut.count, cut.by)


def _columns(result: "DuckDBPyConnection", limits: Limits) -> list[Column]:
    """Their names and types are the analyst's choice, too: a short query makes very long ones."""
    found: list[Column] = []
    size = 0
    for name, kind, *_ in result.description or ():
        found.append(Column(name, str(kind)))
        size += len(name) + len(found[-1].type)
        if size > limits.bytes_max:
            raise TooWide
    return found


class _Cut:
    """Counts rows and bytes, and remembers which of them became too many."""

    def __init__(self, limits: Limits, header_bytes: int) -> None:
        """Raises TooWide where the header leaves no room for anything else."""
        if header_bytes > limits.bytes_max:
            raise TooWide
        self.count = 0
        self.by: str | None = None
        self._limits = limits
        self._bytes = header_bytes

    def rows(self, result: "DuckDBPyConnection") -> Iterator[Sequence[Any]]:
        while page := result.fetchmany(min(_PAGE, self._limits.rows_max + 1 - self.count)):
            yield from page

    def takes(self, size: int) -> bool:
        if self.count == self._limits.rows_max:
            self.by = "rows"
        elif self._bytes + size > self._limits.bytes_max:
            self.by = "bytes"
        if self.by is None:
            self.count += 1
            self._bytes += size
        return self.by is None


def _shown(value: object) -> object:
    """Decimals with all their digits and without an exponent, however deep they lie."""
    match value:
        case Decimal():
            return f"{value:f}"
        case list():
            return [_shown(one) for one in value]
        case dict():
            return {str(key): _shown(one) for key, one in value.items()}
        case _:
            return value


def _text(value: object) -> object:
    """As in JSON, without the quotes of what is text there."""
    if value is None or (isinstance(value, _PLAIN) and not isinstance(value, bool)):
        return value
    text = _encode(_shown(value)).decode()
    if text == "null":
        return None
    return msgspec.json.decode(text) if text.startswith('"') else text
