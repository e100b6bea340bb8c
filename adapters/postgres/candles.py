"""Closed candles, and which spans of time need not be asked for again.

Several processes may save the same span: a candle is written once, and spans are joined under a
lock of their series. Times are integer UTC microseconds; spans include their start, not their end.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from msgspec import Struct, structs

from adapters.postgres.connect import connect_async
from adapters.venues.port import Candle

_OPTIONS = (
    "-c role=aviary_candles -c statement_timeout=5000 -c lock_timeout=3000 "
    "-c idle_in_transaction_session_timeout=5000"
)

SPANS = """
select start_us, end_us
from candle_spans
where connector = %(connector)s and pair = %(pair)s and "interval" = %(interval)s
    and start_us < %(end_us)s and end_us > %(start_us)s
order by start_us
"""

_ROWS = """
select count(*), coalesce(string_agg(item, ',' order by start_us), '')
from (
    select start_us, format(
        '{{"timestamp":%%s,"open":%%s,"high":%%s,"low":%%s,"close":%%s,"volume":%%s,'
        '"quote_asset_volume":%%s,"n_trades":%%s,"taker_buy_base_volume":%%s,'
        '"taker_buy_quote_volume":%%s}}',
        (start_us / 1000000.0)::numeric(20, 1), open, high, low, close, volume,
        coalesce(quote_volume, 0), coalesce(trades, 0), coalesce(taker_base_volume, 0),
        coalesce(taker_quote_volume, 0)
    ) as item
    from candles
    where connector = %(connector)s and pair = %(pair)s and "interval" = %(interval)s
        and start_us >= %(start_us)s and start_us < %(end_us)s
    order by start_us {direction}
    limit %(rows_max)s
) as found
"""
OLDEST = _ROWS.format(direction="asc")
"""How many rows, and their JSON with commas between, of the oldest `rows_max` of a span."""
NEWEST = _ROWS.format(direction="desc")
"""As `OLDEST`; oldest first here too."""

ARCHIVED = """
select before_us
from candle_archives
where connector = %(connector)s and pair = %(pair)s and "interval" = %(interval)s
    and before_us > %(start_us)s
"""
"""Before which time candles of the series may stand in the lake alone."""
ONE_BY_ONE = """
select start_us, open, high, low, close, volume, coalesce(quote_volume, 0), coalesce(trades, 0),
    coalesce(taker_base_volume, 0), coalesce(taker_quote_volume, 0)
from candles
where connector = %(connector)s and pair = %(pair)s and "interval" = %(interval)s
    and start_us >= %(start_us)s and start_us < %(end_us)s
"""

_LOCK = "select pg_advisory_xact_lock(hashtextextended(%(connector)s || ' ' || %(pair)s, 99))"

_INSERT = """
insert into candles
select %(connector)s, %(pair)s, %(interval)s, found.*
from unnest(
    %(start_us)s::bigint[], %(open)s::numeric[], %(high)s::numeric[], %(low)s::numeric[],
    %(close)s::numeric[], %(volume)s::numeric[], %(quote_volume)s::numeric[],
    %(trades)s::bigint[], %(taker_base_volume)s::numeric[], %(taker_quote_volume)s::numeric[]
) as found (
    start_us, open, high, low, close, volume, quote_volume, trades, taker_base_volume,
    taker_quote_volume
)
-- Another process may have kept it since we asked, and the lake's worker moved it.
where not exists (
    select from candle_spans s
    where s.connector = %(connector)s and s.pair = %(pair)s and s."interval" = %(interval)s
        and s.start_us <= found.start_us and s.end_us > found.start_us
)
on conflict do nothing
"""
_NUMERICS = (
    *("open", "high", "low", "close", "volume"),
    *("quote_volume", "taker_base_volume", "taker_quote_volume"),
)
# What the lake's DECIMAL(38,18) does not hold exactly is null there and a text in `exact`.
_FITS = "({0} = round({0}, 18) and abs({0}) < 1e20)"
_FITTING = ", ".join(
    f"'{name}', case when {_FITS.format(name)} then {name}::text end" for name in _NUMERICS
)
_EXACT = ", ".join(
    f"'{name}', case when not {_FITS.format(name)} then {name}::text end" for name in _NUMERICS
)
_INSERT_AND_SPOOL = f"""
with kept as ({_INSERT} returning *)
insert into lake_spool (lake_table, rows)
select 'candles', jsonb_agg(jsonb_build_object(
    'connector', connector, 'pair', pair, 'interval', "interval", 'opened_at_us', start_us,
    'trades', trades, {_FITTING},
    'exact', nullif(jsonb_strip_nulls(jsonb_build_object({_EXACT})), '{{}}')::text
) order by start_us)
from kept
having count(*) > 0
"""

_JOIN = """
with joined as (
    delete from candle_spans
    where connector = %(connector)s and pair = %(pair)s and "interval" = %(interval)s
        and start_us <= %(end_us)s and end_us >= %(start_us)s
    returning start_us, end_us
)
insert into candle_spans
select
    %(connector)s, %(pair)s, %(interval)s,
    least(%(start_us)s, min(start_us)), greatest(%(end_us)s, max(end_us))
from joined
"""


class Series(Struct, frozen=True):
    connector: str
    pair: str
    interval: str


Save = Callable[[Sequence[Candle], int, int], Awaitable[None]]
"""Candles, all closed, and the span in which there are no others."""


@asynccontextmanager
async def saving(dsn: str, series: Series, *, has_lake: bool = False) -> AsyncIterator[Save]:
    """Hand out what saves a page at a time, each for good before it returns, and for the lake."""
    insert = _INSERT_AND_SPOOL if has_lake else _INSERT
    async with await connect_async(dsn, _OPTIONS, autocommit=True) as connection:

        async def save(candles: Sequence[Candle], start_us: int, end_us: int) -> None:
            await _save(connection, insert, series, candles, start_us, end_us)

        yield save


async def _save(
    connection: psycopg.AsyncConnection[Any],
    insert: str,
    series: Series,
    candles: Sequence[Candle],
    start_us: int,
    end_us: int,
) -> None:
    own = structs.asdict(series)
    columns = {name: [getattr(c, name) for c in candles] for name in Candle.__struct_fields__}
    async with connection.transaction():
        await connection.execute(_LOCK, own)
        if candles:
            await connection.execute(insert.encode(), {**own, **columns})
        await connection.execute(_JOIN, {**own, "start_us": start_us, "end_us": end_us})
