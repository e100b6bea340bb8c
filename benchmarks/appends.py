"""Appends in process: ours, the least that a group commit can do, and the library alone."""

import asyncio
import statistics
import time
import uuid

import uvloop
from eventsourcing.persistence import StoredEvent
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore
from psycopg.conninfo import conninfo_to_dict

from adapters.postgres.log import PostgresLog
from benchmarks.minimal import MinimalLog
from benchmarks.place import place_many
from benchmarks.rows import Row, rate
from commands.committer import Committer
from workers.running.database import Dsns

IN_FLIGHT = 256
COUNT = 25_600
ROUNDS = 3
_PAYLOAD = b'{"type":"order.placed.v1","account":"master_account","pair":"EUR-USD","quantity":"10"}'


def measure(dsns: Dsns) -> list[Row]:
    ours, least = [], []
    store = PostgresLog(dsns.app)
    committer = Committer(store)
    for _ in range(ROUNDS):  # in turns, so that the machine's moods meet both
        ours.append(uvloop.run(place_many(committer, COUNT, IN_FLIGHT)))
        least.append(uvloop.run(_minimal(dsns.owner)))
    committer.close()
    store.close()
    library = _library(dsns.owner)
    mine, limit = statistics.median(ours), statistics.median(least)
    return [
        Row(
            "appends in process, 256 in flight",
            "half of a minimal group commit",
            rate(mine),
            f"{rate(limit)} minimal; {rate(library)} library alone (1 thread)",
            mine >= limit / 2,
        )
    ]


async def _minimal(dsn: str) -> float:
    log = MinimalLog(dsn)

    async def one_by_one(share: int) -> None:
        for _ in range(share):
            await log.append(uuid.uuid4().hex, _PAYLOAD)

    started = time.perf_counter()
    await asyncio.gather(*(one_by_one(COUNT // IN_FLIGHT) for _ in range(IN_FLIGHT)))
    seconds = time.perf_counter() - started
    log.close()
    return COUNT / seconds


def _library(dsn: str) -> float:
    parts = {name: str(value) for name, value in conninfo_to_dict(dsn).items()}
    with PostgresDatastore(
        parts["dbname"],
        parts["host"],
        parts["port"],
        parts["user"],
        parts["password"],
        originator_id_type="text",
    ) as datastore:
        recorder = PostgresApplicationRecorder(datastore, events_table_name="library_events")
        recorder.create_table()
        started = time.perf_counter()
        for _ in range(2000):
            recorder.insert_events([StoredEvent(uuid.uuid4().hex, 1, "order.placed.v1", _PAYLOAD)])
        return 2000 / (time.perf_counter() - started)
