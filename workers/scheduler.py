"""Due jobs to commands.

A job's command id is its content and its due time, so that two schedulers make one effect.
"""

import asyncio
import logging
import time

from apscheduler.schedulers.asyncio import AsyncIOScheduler

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


async def run_scheduler(
    dsn: str, committer: Committer, every_seconds: float, pulse: Pulse, stopping: asyncio.Event
) -> None:
    counts = {"reconciliations_requested": 0, "jobs_failed": 0}

    async def job() -> None:
        try:
            counts["reconciliations_requested"] += await request_reconciliations(
                dsn, committer, every_seconds
            )
        except Exception:  # noqa: BLE001 - counted and logged; the next run is due in time
            counts["jobs_failed"] += 1
            _log.exception("Reconciliations could not be requested; the next one is due in time")

    scheduler = AsyncIOScheduler(
        job_defaults={"misfire_grace_time": 30, "coalesce": True, "max_instances": 1}
    )
    scheduler.add_job(job, "interval", seconds=every_seconds)
    scheduler.start()
    try:
        while not stopping.is_set():
            pulse.beat("running", detail=counts)
            try:
                await asyncio.wait_for(stopping.wait(), 1.0)
            except TimeoutError:
                continue
    finally:
        scheduler.shutdown(wait=False)
