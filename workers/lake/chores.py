"""What the lake's worker does beside following the log: the nightly export, and moving candles.

The table `events` of the lake is the log itself, up to the last export. Candles go into the lake
when they are kept; those that are old then leave Postgres, once they are found in the lake.
"""

import logging
import os
import time
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import psycopg

from adapters.lake.tables import EVENTS, SPOOL, TABLES, definition
from adapters.postgres import lake_chores as store
from adapters.postgres.lake import last_spooled
from adapters.postgres.lake_chores import FIGURES, OldCandle
from adapters.postgres.relays import load_head, read_page
from adapters.settings import Settings
from commands.crashpoint import crashpoint
from domain.log import Recorded
from projections.lake_rows import fits
from workers.lake.writing import LakeWriter, Moved, commit, move

_log = logging.getLogger(__name__)
PAGE_EVENTS = 20_000
PAGE_BYTES = 16 << 20
CANDLES = 5000
MOVE_SECONDS = 60.0
_DAY_SECONDS = 86_400
_MICROSECONDS = 1_000_000


class LogWasCut(Exception):  # noqa: N818 - says what is so
    """The lake has events that the log does not have: one of them was restored."""


class Chores:
    """Of one worker. Each step is a transaction of its own."""

    def __init__(
        self, settings: Settings, session: psycopg.Connection[Any], writer: LakeWriter
    ) -> None:
        self._hour = settings.lake_export_hour
        self._keep_us = settings.candle_days * _DAY_SECONDS * _MICROSECONDS
        self._session = session
        self._writer = writer
        self._exported: int | None = None
        self._night_us = 0
        self._move_at = time.monotonic() + MOVE_SECONDS

    def is_due(self) -> bool:
        night_us = night_before(time.time(), self._hour)
        if night_us > self._night_us:
            store.begin_night(self._session, night_us)
            self._night_us = night_us
        return self._is_export_due() or time.monotonic() >= self._move_at

    def step(self) -> int:
        """Answers how many events or candles were taken."""
        if self._is_export_due():
            return self._export()
        taken = move_candles(
            self._session, self._writer, time.time_ns() // 1000 - self._keep_us, CANDLES
        )
        if not taken:
            self._move_at = time.monotonic() + MOVE_SECONDS
        return taken

    def _is_export_due(self) -> bool:
        wanted = store.read_wanted(self._session)
        return wanted.is_afresh or self._exported is None or self._exported < wanted.asked

    def _export(self) -> int:
        self._exported = None
        taken, self._exported = export_page(self._session, self._writer)
        return taken


def export_page(session: psycopg.Connection[Any], writer: LakeWriter) -> tuple[int, int]:
    """Store the next page of the log; answers how many events, and the position reached."""
    wanted = store.read_wanted(session)
    at = writer.checkpoints()[EVENTS]
    if wanted.is_afresh:
        _empty(writer, EVENTS, {EVENTS: Moved(at, 0)})
        store.started_afresh(session)
        at = 0
    head = load_head(session)
    if at > head:
        raise LogWasCut(
            f"The log ends at {head} and the lake has its events up to {at}. "
            "Run `aviary lake export --afresh`."
        )
    if at >= wanted.asked:
        return 0, at
    page = read_page(session, at, min(PAGE_EVENTS, wanted.asked - at), PAGE_BYTES)
    if not page:
        return 0, at
    last = page[-1].position
    writer.save({EVENTS: [event_row(event) for event in page]}, {EVENTS: Moved(at, last)})
    return len(page), last


def event_row(event: Recorded) -> dict[str, Any]:
    metadata = msgspec.json.decode(event.metadata)
    return {
        "position": event.position,
        "stream": event.stream,
        "version": event.version,
        "tag": event.tag,
        "payload": event.payload.decode(),
        "metadata": event.metadata.decode(),
        "actor": metadata.get("actor"),
        "recorded_at_us": metadata.get("recorded_at_us"),
        "seal": event.seal,
    }


def move_candles(
    session: psycopg.Connection[Any], writer: LakeWriter, before_us: int, limit: int
) -> int:
    """Drop the oldest candles of Postgres; those that the lake has not yet go there before."""
    old = store.read_old_candles(session, before_us, limit)
    if not old:
        return 0
    known = _known(writer, old)
    missing = [row for row in map(candle_row, old) if _key(row) not in known]
    if missing:
        # The checkpoint stays where it is: that another writer moved it must be noticed.
        spooled = writer.checkpoints()[SPOOL]
        writer.save({"candles": missing}, {SPOOL: Moved(spooled, spooled)})
    _sync_files(writer)
    crashpoint("lake-candles-in-lake")
    store.drop_candles(session, old)
    return len(old)


def _sync_files(writer: LakeWriter) -> None:
    """Not only in the memory of the operating system: what is dropped then stands there alone."""
    if writer.place.is_local:
        os.sync()


def candle_row(candle: OldCandle) -> dict[str, Any]:
    figures = dict(zip(FIGURES, candle.figures, strict=True))
    fitting = {name: value for name, value in figures.items() if value is None or fits(value)}
    exact = {name: f"{figures[name]:f}" for name in figures if name not in fitting}
    return {
        "connector": candle.connector,
        "pair": candle.pair,
        "interval": candle.interval,
        "opened_at_us": candle.start_us,
        **{name: fitting.get(name) for name in FIGURES},
        "exact": msgspec.json.encode(exact).decode() if exact else None,
    }


def night_before(now: float, hour: int) -> int:
    """The last time it was that hour, UTC, in microseconds."""
    seconds = (int(now) - hour * 3600) // _DAY_SECONDS * _DAY_SECONDS + hour * 3600
    return seconds * _MICROSECONDS


def forget_candles(session: psycopg.Connection[Any], writer: LakeWriter) -> None:
    """Empty the lake's candles, and let what it alone had be fetched from venues again.

    Postgres first: killed between the two, the lake has rows that nobody asks it for. A lake that
    is ahead of the spool takes it from its beginning: it has nothing more that came from there.
    """
    spooled = writer.checkpoints()[SPOOL]
    is_ahead = spooled > last_spooled(session)
    store.forget_archives(session)
    crashpoint("lake-candles-forgotten")
    _empty(writer, "candles", {SPOOL: Moved(spooled, 0 if is_ahead else spooled)})


def _empty(writer: LakeWriter, table: str, moved: Mapping[str, Moved]) -> None:
    """Neither reads nor needs the old table's files."""
    connection = writer.connection
    connection.execute("begin")
    try:
        connection.execute(f"drop table {table}")
        connection.execute(definition(table, TABLES[table]))
        move(connection, moved)
    except BaseException:
        connection.execute("rollback")
        raise
    commit(connection)


def _known(writer: LakeWriter, old: Sequence[OldCandle]) -> set[tuple[Any, ...]]:
    keys = [_key(candle_row(candle)) for candle in old]
    found = writer.connection.execute(
        """select c.connector, c.pair, c."interval", c.opened_at_us
        from candles c semi join (
            select unnest(?::varchar[]) as connector, unnest(?::varchar[]) as pair,
                unnest(?::varchar[]) as "interval", unnest(?::bigint[]) as opened_at_us
        ) k using (connector, pair, "interval", opened_at_us)
        where c.opened_at_us between ? and ?""",
        [*map(list, zip(*keys, strict=True)), old[0].start_us, old[-1].start_us],
    ).fetchall()
    return set(found)


def _key(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return (row["connector"], row["pair"], row["interval"], row["opened_at_us"])
