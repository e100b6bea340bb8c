"""What each worker process is made of: its store, its committer, its venues, its loops."""

import asyncio
import functools
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

from adapters.postgres.log import PostgresLog
from adapters.settings import Settings
from adapters.vault.vault import Vault
from adapters.venues.registry import private_venue
from commands.committer import Committer, Limits
from workers.dispatching.context import Outside
from workers.dispatching.dispatcher import Dispatcher
from workers.dispatching.dispatcher_limits import DispatcherLimits
from workers.dispatching.sweeping import SETTLED_SECONDS, SWEEP_SECONDS, sweep
from workers.projecting.following import run_projector
from workers.running.names import LAKE
from workers.running.pulse import Pulse
from workers.running.runner import Worker, run_workers
from workers.scheduler import Job, request_reconciliations, run_scheduler

NICENESS = 19


def outside_of(settings: Settings, dsn: str) -> Outside:
    """The venues and the vault, as dispatchers reach them."""
    vault = Vault(dsn, settings)

    async def open_secret(secret_id: str) -> Mapping[str, str]:
        return (await asyncio.to_thread(vault.open, secret_id)).texts()

    return Outside(functools.partial(private_venue, settings), open_secret, settings)


def jobs_of(
    settings: Settings, dsn: str, store: PostgresLog, committer: Committer
) -> tuple[Job, ...]:
    """What the scheduler does, and how often."""
    seconds, vault = settings.reconcile_seconds, Vault(dsn, settings)

    async def reconcile() -> int:
        return await request_reconciliations(dsn, committer, seconds)

    async def destroy() -> int:
        return await sweep(dsn, store, committer, vault, SETTLED_SECONDS)

    return (
        Job("reconciliations_requested", seconds, reconcile),
        Job("secrets_destroyed", SWEEP_SECONDS, destroy),
    )


def make_committer(settings: Settings, store: PostgresLog) -> Committer:
    return Committer(
        store,
        limits=Limits(batch_max=settings.batch_max, in_flight_max=settings.in_flight_max),
        code_version=version("aviary"),
    )


async def run_named(names: Sequence[str], settings: Settings, dsn: str) -> None:
    """Run workers of these names in this process until it is told to stop."""
    if names == (LAKE,):
        _give_way()
    store = PostgresLog(dsn)
    committer = make_committer(settings, store)
    made = _workers(settings, dsn, store, committer)
    try:
        await run_workers(dsn, {name: made[name] for name in names})
    finally:
        await asyncio.to_thread(committer.close)
        store.close()


def _give_way() -> None:
    """Let whoever else wants the processor have it: the lake, alone in its process, can wait."""
    os.nice(NICENESS)
    with suppress(OSError):  # Linux, where sessions are also weighed against one another.
        Path("/proc/self/autogroup").write_text(str(NICENESS))


def _workers(
    settings: Settings, dsn: str, store: PostgresLog, committer: Committer
) -> Mapping[str, Worker]:
    limits = DispatcherLimits(
        window_seconds=settings.send_window_seconds,
        lease_seconds=settings.lease_seconds,
        funding_seconds=settings.funding_seconds,
        portfolio_seconds=60 * settings.account_update_interval,
    )

    async def dispatch(pulse: Pulse, stopping: asyncio.Event) -> None:
        await Dispatcher(dsn, committer, outside_of(settings, dsn), pulse, limits).run(stopping)

    async def project(pulse: Pulse, stopping: asyncio.Event) -> None:
        await run_projector(dsn, pulse, stopping)

    async def schedule(pulse: Pulse, stopping: asyncio.Event) -> None:
        jobs = jobs_of(settings, dsn, store, committer)
        await run_scheduler(jobs, pulse, stopping)

    async def keep_lake(pulse: Pulse, stopping: asyncio.Event) -> None:
        from workers.lake.worker import run_lake

        await run_lake(settings, dsn, pulse, stopping)

    async def relay(pulse: Pulse, stopping: asyncio.Event) -> None:
        from workers.relaying.relay import run_relay

        await run_relay(settings, dsn, pulse, stopping)

    async def project_from_kafka(pulse: Pulse, stopping: asyncio.Event) -> None:
        from workers.feeding.feed import run_kafka_projector

        await run_kafka_projector(settings, dsn, pulse, stopping)

    return {
        "dispatcher": dispatch,
        "projector": project,
        "scheduler": schedule,
        "lake": keep_lake,
        "relay": relay,
        "kafka-projector": project_from_kafka,
    }
