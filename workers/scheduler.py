"""Due jobs to commands.

A job's command id is its content and its due time, so that two schedulers make one effect.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from msgspec import Struct

from adapters.postgres.connect import READER_OPTIONS, connect_async
from commands.committer import Committer
from commands.request import from_worker
from domain import reconciliation
from domain.reconciliation import RequestReconciliation
from workers.running.pulse import Pulse

_log = logging.getLogger(__name__)
MICROSECONDS = 1_000_000
_LIVE_DESKS = """
select distinct account, connector from open_effects where status not in ('new', 'requested')
"""


async def request_reconciliations(dsn: str, committer: Committer, every_seconds: float) -> int:
    """Ask for a reconciliation of every account with live orders; answers how many."""
    due_us = int(time.time() // every_seconds * every_seconds * MICROSECONDS)
    async with await connect_async(dsn, READER_OPTIONS) as connection:
        found = await connection.execute(_LIVE_DESKS)
        desks = await found.fetchall()
    for name, connector in desks:
        request = from_worker(
            "scheduler",
            reconciliation.stream(name, connector, due_us),
            RequestReconciliation(name, connector, due_us),
            correlation_id=f"reconcile-{name}-{connector}-{due_us}",
        )
        await committer.submit(request)
    return len(desks)


class Job(Struct, frozen=True):
    """What is done again and again; `run` answers how much was done."""

    name: str
    """Of its counter."""
    every_seconds: float
    run: Callable[[], Awaitable[int]]


async def run_scheduler(jobs: Sequence[Job], pulse: Pulse, stopping: asyncio.Event) -> None:
    counts = {"jobs_failed": 0, **{job.name: 0 for job in jobs}}

    async def run(job: Job) -> None:
        try:
            counts[job.name] += await job.run()
        except Exception:  # noqa: BLE001 - counted and logged; the next run is due in time
            counts["jobs_failed"] += 1
            _log.exception("%s failed; the next run is due in time", job.name)

    scheduler = AsyncIOScheduler(
        job_defaults={"misfire_grace_time": 30, "coalesce": True, "max_instances": 1}
    )
    for job in jobs:
        scheduler.add_job(run, "interval", (job,), seconds=job.every_seconds)
    scheduler.start()
    try:
        while not stopping.is_set():
            pulse.beat("running", detail=counts)
            try:
                async with asyncio.timeout(1.0):
                    await stopping.wait()
            except TimeoutError:
                continue
    finally:
        scheduler.shutdown(wait=False)
