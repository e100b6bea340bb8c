"""Rows as columns for DuckDB. Figures as Decimals: read from text, each costs some 8 microseconds.

DuckDB takes Arrow's memory as it is; the cast of a text to DECIMAL(38,18) was nine tenths of what
a row cost.
"""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, DecimalException
from typing import TYPE_CHECKING, Any

from adapters.lake.tables import FIGURE
from projections.lake_rows import fits

if TYPE_CHECKING:
    import pyarrow as pa

Row = Mapping[str, Any]
"""Every column is there; figures may be text, and bytes hexadecimal digits, as JSON has them."""


class BadRow(ValueError):  # noqa: N818 - says what is so
    """A value that its column does not take; str() names the column."""


def columns_of(columns: Mapping[str, str], rows: Sequence[Row]) -> "pa.Table":
    """Raises BadRow, also for a figure that DECIMAL(38,18) would round."""
    import pyarrow as pa

    arrays = []
    for name, kind in columns.items():
        convert, arrow = _KINDS[kind]
        try:
            values = [None if row[name] is None else convert(row[name]) for row in rows]
            arrays.append(pa.array(values, arrow(pa)))
        except (pa.ArrowException, OverflowError, TypeError, ValueError) as error:
            raise BadRow(f"{name}: {error}") from None
    return pa.table(arrays, names=list(columns))


def _same(value: Any) -> Any:
    return value


def _figure(value: Any) -> Decimal:
    try:
        figure = Decimal(value)
    except DecimalException:
        raise ValueError(f"{str(value)[:100]!r} is no number") from None
    if not fits(figure):
        raise ValueError(f"{str(value)[:100]} does not fit into {FIGURE}")
    return figure


def _bytes(value: Any) -> bytes:
    return bytes.fromhex(value) if isinstance(value, str) else bytes(value)


_KINDS: Mapping[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    FIGURE: (_figure, lambda pa: pa.decimal128(38, 18)),
    "BIGINT": (_same, lambda pa: pa.int64()),
    "BLOB": (_bytes, lambda pa: pa.binary()),
    "BOOLEAN": (_same, lambda pa: pa.bool_()),
    "VARCHAR": (_same, lambda pa: pa.string()),
}
