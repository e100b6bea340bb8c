"""What each worker process is made of: its store, its committer, its venues, its loops."""

import asyncio
import functools
from collections.abc import Mapping, Sequence
from importlib.metadata import version

from adapters.postgres.log import PostgresLog
from adapters.settings import Settings
from adapters.venues.registry import private_venue
from commands.committer import Committer, Limits
from workers.dispatching.context import Outside
from workers.dispatching.dispatcher import Dispatcher, DispatcherLimits
from workers.projecting.following import run_projector
from workers.running.pulse import Pulse
from workers.running.runner import Worker, run_workers
from workers.scheduler import run_scheduler


def outside_of(settings: Settings) -> Outside:
    """The venues and the vault, as dispatchers reach them."""

    async def open_secret(secret_id: str) -> Mapping[str, str]:
        raise LookupError(f"There is no secret {secret_id!r}.")

    return Outside(functools.partial(private_venue, settings), open_secret, settings)


def make_committer(settings: Settings, store: PostgresLog) -> Committer:
    return Committer(
        store,
        limits=Limits(batch_max=settings.batch_max, in_flight_max=settings.in_flight_max),
        code_version=version("aviary"),
    )


async def run_named(names: Sequence[str], settings: Settings, dsn: str) -> None:
    """Run workers of these names in this process until it is told to stop."""
    store = PostgresLog(dsn)
    committer = make_committer(settings, store)
    made = _workers(settings, dsn, committer)
    try:
        await run_workers(dsn, {name: made[name] for name in names})
    finally:
        await asyncio.to_thread(committer.close)
        store.close()


def _workers(settings: Settings, dsn: str, committer: Committer) -> Mapping[str, Worker]:
    limits = DispatcherLimits(
        window_seconds=settings.send_window_seconds, lease_seconds=settings.lease_seconds
    )

    async def dispatch(pulse: Pulse, stopping: asyncio.Event) -> None:
        await Dispatcher(dsn, committer, outside_of(settings), pulse, limits).run(stopping)

    async def project(pulse: Pulse, stopping: asyncio.Event) -> None:
        await run_projector(dsn, pulse, stopping)

    async def schedule(pulse: Pulse, stopping: asyncio.Event) -> None:
        await run_scheduler(dsn, committer, settings.reconcile_seconds, pulse, stopping)

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
        "relay": relay,
        "kafka-projector": project_from_kafka,
    }
