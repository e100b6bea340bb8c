"""What the lake's worker keeps in Postgres of its chores: the nightly export, and candles to move.

Times are integer UTC microseconds.
"""

from collections.abc import Sequence
from typing import Any

import psycopg
from msgspec import Struct
from psycopg.rows import tuple_row

_ASKED = "select asked, is_afresh from lake_exports"
_NIGHT = """
update lake_exports
set night_us = %(night_us)s, asked = greatest(asked, (select position from log_head))
where night_us < %(night_us)s
"""
_ASK = """
update lake_exports
set asked = (select position from log_head), is_afresh = is_afresh or %(afresh)s
returning asked
"""
_STARTED = "update lake_exports set is_afresh = false"
FIGURES = (
    *("open", "high", "low", "close", "volume", "quote_volume", "trades"),
    *("taker_base_volume", "taker_quote_volume"),
)
"""Of a candle, as the lake calls them too."""
_FITS = "{0} = round({0}, 18) and abs({0}) < 1e20"
_OLD = """
select connector, pair, "interval", start_us, {figures}
from candles
where start_us < %(before_us)s
    -- What waits there is not in the lake yet; in one statement, for both are written in one.
    and not exists (select from lake_spool where lake_table = 'candles')
order by start_us
limit %(limit)s
"""
_DROP = """
with moved as (
    delete from candles
    using unnest(%(connector)s::text[], %(pair)s::text[], %(interval)s::text[],
        %(start_us)s::bigint[]) as gone (connector, pair, "interval", start_us)
    where candles.connector = gone.connector and candles.pair = gone.pair
        and candles."interval" = gone."interval" and candles.start_us = gone.start_us
    returning candles.connector, candles.pair, candles."interval", candles.start_us
)
insert into candle_archives as known
select connector, pair, "interval", max(start_us) + 1
from moved
group by connector, pair, "interval"
on conflict (connector, pair, "interval") do update
set before_us = greatest(known.before_us, excluded.before_us)
"""
_FORGET = """
with gone as (delete from candle_archives returning *)
delete from candle_spans s
using gone
where s.connector = gone.connector and s.pair = gone.pair and s."interval" = gone."interval"
    and s.start_us < gone.before_us
"""


class Wanted(Struct, frozen=True):
    asked: int
    """The position up to which the log is to be exported."""
    is_afresh: bool


class OldCandle(Struct, frozen=True):
    connector: str
    pair: str
    interval: str
    start_us: int
    figures: tuple[Any, ...]
    """Decimals or None, in the order of `FIGURES`."""


def read_wanted(session: psycopg.Connection[Any]) -> Wanted:
    found = session.execute(_ASKED, prepare=True).fetchone()
    return Wanted(*found) if found else Wanted(0, is_afresh=False)


def begin_night(session: psycopg.Connection[Any], night_us: int) -> None:
    """Ask for all that the log has now, unless this night has been asked for."""
    session.execute(_NIGHT, {"night_us": night_us})


def ask(session: psycopg.Connection[Any], *, afresh: bool = False) -> int:
    """Ask for all that the log has now; answers that position."""
    found = session.execute(_ASK, {"afresh": afresh}).fetchone()
    return int(found[0]) if found else 0


def started_afresh(session: psycopg.Connection[Any]) -> None:
    session.execute(_STARTED)


def read_old_candles(
    session: psycopg.Connection[Any], before_us: int, limit: int
) -> list[OldCandle]:
    """None while any wait in the spool."""
    query = _OLD.format(figures=", ".join(FIGURES))
    with session.cursor(row_factory=tuple_row) as cursor:
        found = cursor.execute(query.encode(), {"before_us": before_us, "limit": limit})
        return [OldCandle(row[0], row[1], row[2], row[3], row[4:]) for row in found]


def drop_candles(session: psycopg.Connection[Any], candles: Sequence[OldCandle]) -> None:
    """Forget those that are in the lake, and remember of which series there are any."""
    names = ("connector", "pair", "interval", "start_us")
    session.execute(_DROP, {name: [getattr(c, name) for c in candles] for name in names})


def forget_archives(session: psycopg.Connection[Any]) -> None:
    """Let what the lake alone had be fetched again when somebody asks for it."""
    session.execute(_FORGET)
