"""Stores what a process says of itself in the table `workers`, a row for each of its names.

A row that has not been renewed for an hour is removed by whoever beats: containers come and go, and
each has a name of its own.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec
import psycopg

from adapters.postgres.connect import WRITER_OPTIONS, connect_async
from workers.running.pulse import Pulse, process_name

_log = logging.getLogger(__name__)
BEAT_SECONDS = 1.0
_SILENT_SECONDS = 10.0
_LAST_WORDS_SECONDS = 3.0
_SWEEP_BEATS = 600
_STARTED_AT = time.monotonic()

_STORE = """
insert into workers (name, process, state, position, detail, started_at)
select
    name,
    %(process)s,
    state,
    position,
    detail,
    now() - make_interval(secs => %(age_seconds)s)
from jsonb_to_recordset(%(pulses)s::jsonb)
    as p (name text, state text, position bigint, detail jsonb)
on conflict (name, process) do update set
    state = excluded.state,
    position = excluded.position,
    detail = excluded.detail,
    started_at = excluded.started_at,
    alive_at = now()
"""
_SWEEP = "delete from workers where alive_at < now() - interval '1 hour'"


@contextlib.asynccontextmanager
async def beating(dsn: str, pulses: Sequence[Pulse]) -> AsyncIterator[None]:
    """Beat for as long as the block runs; what the pulses say at its end is stored as well."""
    task = asyncio.create_task(_beat(dsn, pulses))
    try:
        yield
    finally:
        task.cancel()
        # A frozen server does not consent to the end of a statement: it holds up no stop.
        await asyncio.wait({task}, timeout=_LAST_WORDS_SECONDS)
        last_words = asyncio.create_task(_store_last_words(dsn, pulses))
        await asyncio.wait({last_words}, timeout=_LAST_WORDS_SECONDS)


async def _store_last_words(dsn: str, pulses: Sequence[Pulse]) -> None:
    try:
        async with await connect_async(dsn, WRITER_OPTIONS) as connection:
            await _store(connection, pulses)
    except psycopg.Error as error:
        _log.warning("The last signs of life could not be stored: %s", why(error))


async def _beat(dsn: str, pulses: Sequence[Pulse]) -> None:
    stored = 0
    while True:
        try:
            async with await connect_async(dsn, WRITER_OPTIONS) as connection:
                while True:
                    await _store(connection, pulses)
                    if stored % _SWEEP_BEATS == 0:
                        await connection.execute(_SWEEP)
                    stored += 1
                    await asyncio.sleep(BEAT_SECONDS)
        except psycopg.Error as error:
            _log.warning("Signs of life cannot be stored: %s", why(error))
        await asyncio.sleep(BEAT_SECONDS)


async def _store(connection: psycopg.AsyncConnection[Any], pulses: Sequence[Pulse]) -> None:
    """Only workers that have beaten lately are alive: a hung one keeps its old time."""
    now = time.monotonic()
    alive = [pulse for pulse in pulses if now - pulse.beaten_at < _SILENT_SECONDS]
    if alive:
        await connection.execute(
            _STORE,
            {
                "process": process_name(),
                "pulses": msgspec.json.encode(alive).decode(),
                "age_seconds": now - _STARTED_AT,
            },
        )


def why(error: BaseException) -> str:
    """The first line of an error, or of the first of a group."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}".splitlines()[0]
