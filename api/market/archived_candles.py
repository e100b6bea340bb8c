"""Candles that stand in the lake alone, joined with those of Postgres.

Both may have the same candle for a while: the one of Postgres counts.
"""

from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from adapters.lake.reading import LakeReader
from adapters.postgres.candles import Series

YOUNGEST_ARCHIVED_US = 86_400_000_000
"""AVIARY_CANDLE_DAYS is 1 at least: candles that are younger stand in Postgres."""
LAKE_SECONDS = 15.0
Row = Sequence[Any]
"""The start in microseconds, and nine figures; 0 where the venue does not tell one."""
Old = Callable[[Series, int, int], Awaitable[Sequence[Row]]]
"""The rows of a span, from the lake."""
_FIGURES = (
    *("open", "high", "low", "close", "volume", "quote_volume", "trades"),
    *("taker_base_volume", "taker_quote_volume"),
)
_QUERY = f"""
select opened_at_us, {", ".join(_FIGURES)}, exact
from candles
where connector = ? and pair = ? and "interval" = ? and opened_at_us >= ? and opened_at_us < ?
"""
_FORMAT = (
    '{{"timestamp":{}.{},"open":{:f},"high":{:f},"low":{:f},"close":{:f},"volume":{:f},'
    '"quote_asset_volume":{:f},"n_trades":{:d},"taker_buy_base_volume":{:f},'
    '"taker_buy_quote_volume":{:f}}}'
)
_MICROSECONDS = 1_000_000


def old_of(lake: LakeReader) -> Old:
    """Raises LakeUnavailable."""

    async def old(series: Series, start_us: int, end_us: int) -> list[Row]:
        span = [series.connector, series.pair, series.interval, start_us, end_us]
        found = await lake.query(_QUERY, span, seconds=LAKE_SECONDS)
        return [_row(*row) for row in found]

    return old


def merged(
    old: Sequence[Row], young: Sequence[Row], rows_max: int, *, newest: bool
) -> tuple[int, str]:
    """At most so many, from the one end or the other: their number, and JSON with commas."""
    by_start = {row[0]: row for row in (*old, *young)}
    starts = sorted(by_start)
    chosen = starts[max(0, len(starts) - rows_max) :] if newest else starts[:rows_max]
    return len(chosen), ",".join(_json(by_start[start]) for start in chosen)


def _row(start_us: int, *figures: Any) -> Row:
    *told, exact = figures
    texts = msgspec.json.decode(exact) if exact else {}
    found = {name: texts.get(name, value) for name, value in zip(_FIGURES, told, strict=True)}
    return (
        start_us,
        *(int(v or 0) if name == "trades" else _bare(v) for name, v in found.items()),
    )


def _bare(value: Any) -> Decimal:
    """Without the zeros that the lake's column adds; Decimal's own way would round."""
    text = f"{Decimal(value or 0):f}"
    return Decimal(text.rstrip("0").rstrip(".") if "." in text else text)


def _json(row: Row) -> str:
    start_us, *figures = row
    tenths = start_us % _MICROSECONDS * 10 // _MICROSECONDS
    return _FORMAT.format(start_us // _MICROSECONDS, tenths, *figures)
