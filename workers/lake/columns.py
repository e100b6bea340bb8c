"""Rows as a JSON text for DuckDB, in which a figure is two whole numbers.

DuckDB casts a text to DECIMAL(38,18) in some 8 microseconds, nine tenths of what a row cost, and
two whole numbers in less than one. Arrow would be as fast, but its libraries take 50 MB.
"""

from collections.abc import Callable, Mapping, Sequence
from decimal import Context, Decimal, DecimalException, Inexact
from typing import Any

import msgspec

from adapters.lake.tables import FIGURE
from projections.lake_rows import fits

Row = Mapping[str, Any]
"""Every column is there; figures may be text, and bytes hexadecimal digits, as JSON has them."""

_ONE = 10**18
_EXACT = Context(prec=38, traps=[Inexact])


class BadRow(ValueError):  # noqa: N818 - says what is so
    """A value that its column does not take; str() names the column."""


def selection(columns: Mapping[str, str]) -> str:
    """A query of the columns, whose parameters are `document` and `structure`."""
    shown = ", ".join(
        f'{_READ.get(kind, _AS_IS).format(name)} as "{name}"' for name, kind in columns.items()
    )
    return f"select {shown} from (select unnest(from_json_strict(?::json, ?), recursive := true))"


def structure(columns: Mapping[str, str]) -> str:
    kinds: dict[str, str] = {}
    for name, kind in columns.items():
        if kind == FIGURE:
            kinds |= {f"{name}_whole": "HUGEINT", f"{name}_fraction": "BIGINT"}
        else:
            kinds[name] = "VARCHAR" if kind == "BLOB" else kind
    return msgspec.json.encode([kinds]).decode()


def document(columns: Mapping[str, str], rows: Sequence[Row]) -> str:
    """Raises BadRow for a figure that is none, or that DECIMAL(38,18) would round."""
    convert = {name: _WRITTEN[kind] for name, kind in columns.items() if kind in _WRITTEN}
    return msgspec.json.encode([_written(row, convert) for row in rows]).decode()


def _written(row: Row, convert: Mapping[str, Callable[[str, Any], Mapping[str, Any]]]) -> Row:
    found = dict(row)
    for name, how in convert.items():
        found |= how(name, found.pop(name))
    return found


def _figure(name: str, value: Any) -> Mapping[str, Any]:
    if value is None:
        return {f"{name}_whole": None, f"{name}_fraction": None}
    try:
        figure = Decimal(value)
    except (DecimalException, TypeError, ValueError):
        raise BadRow(f"{name}: {str(value)[:100]!r} is no number") from None
    if not fits(figure):
        raise BadRow(f"{name}: {str(value)[:100]} does not fit into {FIGURE}")
    scaled = int(_EXACT.scaleb(figure, 18))
    whole, fraction = divmod(abs(scaled), _ONE)
    if scaled < 0:
        whole, fraction = -whole, -fraction
    # A JSON number of 20 digits would be read as a double.
    return {f"{name}_whole": str(whole), f"{name}_fraction": fraction}


def _bytes(name: str, value: Any) -> Mapping[str, Any]:
    return {name: bytes(value).hex() if isinstance(value, bytes | memoryview) else value}


_AS_IS = '"{0}"'
_READ: Mapping[str, str] = {
    FIGURE: '"{0}_whole"::decimal(20,0)::decimal(38,18)'
    ' + ("{0}_fraction"::decimal(18,0) * 0.000000000000000001::decimal(18,18))::decimal(38,18)',
    "BLOB": 'unhex("{0}")',
}
_WRITTEN: Mapping[str, Callable[[str, Any], Mapping[str, Any]]] = {
    FIGURE: _figure,
    "BLOB": _bytes,
}
