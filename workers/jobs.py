"""What the scheduler does, and how often."""

import asyncio

from adapters.postgres.log import PostgresLog
from adapters.settings import Settings
from adapters.vault.vault import Vault
from commands.committer import Committer
from workers.dispatching.sweeping import SETTLED_SECONDS, SWEEP_SECONDS, sweep
from workers.running.pulse import Pulse
from workers.scheduler import Job, request_reconciliations, run_scheduler


async def run_jobs(
    settings: Settings,
    dsn: str,
    store: PostgresLog,
    committer: Committer,
    pulse: Pulse,
    stopping: asyncio.Event,
) -> None:
    await run_scheduler(_jobs(settings, dsn, store, committer), pulse, stopping)


def _jobs(
    settings: Settings, dsn: str, store: PostgresLog, committer: Committer
) -> tuple[Job, ...]:
    seconds, vault = settings.reconcile_seconds, Vault(dsn, settings)

    async def reconcile() -> int:
        return await request_reconciliations(dsn, committer, seconds)

    async def destroy() -> int:
        return await sweep(dsn, store, committer, vault, SETTLED_SECONDS)

    return (
        Job("reconciliations_requested", seconds, reconcile),
        Job("secrets_destroyed", SWEEP_SECONDS, destroy),
    )
