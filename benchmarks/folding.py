"""Projector, rebuild and verify, beside reading pages and the least that a projector can do."""

import time
from collections.abc import Callable

import uvloop

from adapters.postgres.connect import READER_OPTIONS, connect
from adapters.postgres.log import PostgresLog, read_log
from benchmarks.place import place_many
from benchmarks.rows import Row, rate
from commands.committer import Committer
from projections import PROJECTIONS
from workers.projecting.projector import catch_up
from workers.projecting.rebuild import rebuild
from workers.running.database import Dsns
from workers.tools import history

EVENTS = 100_000
IN_FLIGHT = 256
_MINIMAL = """
create table if not exists minimal_rows (key text primary key, position bigint not null)
"""


def measure(dsns: Dsns) -> list[Row]:
    store = PostgresLog(dsns.app)
    committer = Committer(store)
    uvloop.run(place_many(committer, EVENTS, IN_FLIGHT))
    committer.close()
    events = store.head().position
    store.close()

    reading = events / _timed(lambda: _read(dsns.app))
    minimal = events / _timed(lambda: _minimal(dsns.owner))
    projector = events / _timed(lambda: catch_up(dsns.app))
    rebuilt = events / _timed(lambda: rebuild(dsns.owner, dsns.app, PROJECTIONS[0]))
    verified = events / _timed(lambda: _verify(dsns.app))
    return [
        Row(
            "projector catching up, all read models",
            "10,000/s",
            rate(projector),
            f"{rate(minimal)} minimal projector",
            projector >= 10_000,  # noqa: PLR2004 - the promise of this row
        ),
        Row("rebuild of `orders`", "20,000/s", rate(rebuilt), "", rebuilt >= 20_000),  # noqa: PLR2004
        Row(
            "verify",
            "100,000/s",
            rate(verified),
            f"{rate(reading)} reading pages",
            verified >= 100_000,  # noqa: PLR2004
        ),
    ]


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _read(dsn: str) -> None:
    with connect(dsn, READER_OPTIONS, autocommit=True) as connection:
        for _ in history.pages(connection):
            pass


def _verify(dsn: str) -> None:
    with connect(dsn, READER_OPTIONS, autocommit=True) as connection:
        history.verify(history.pages(connection))


def _minimal(dsn: str) -> None:
    """One row a stream, one transaction a page of 500, without decoding anything."""
    with connect(dsn, "", autocommit=True) as connection:
        connection.execute(_MINIMAL)
        position = 0
        while page := read_log(connection, position, 500):
            position = page[-1].position
            rows = {event.stream: event.position for event in page}
            connection.execute(
                """insert into minimal_rows select * from unnest(%b::text[], %b::bigint[])
                on conflict (key) do update set position = excluded.position""",
                (list(rows), list(rows.values())),
                prepare=True,
            )
