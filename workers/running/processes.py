"""What each worker process is made of: its store, its committer, its venues, its loops."""

import asyncio
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

from adapters.postgres.log import PostgresLog
from adapters.settings import Settings
from commands.committer import Committer, Limits
from workers.running.names import LAKE
from workers.running.pulse import Pulse
from workers.running.runner import Worker, run_workers

NICENESS = 19


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
    if os.getsid(0) == os.getpid():  # Else it would speak for everybody in the terminal.
        with suppress(OSError):  # Linux, where sessions are also weighed against one another.
            Path("/proc/self/autogroup").write_text(str(NICENESS))


def _workers(
    settings: Settings, dsn: str, store: PostgresLog, committer: Committer
) -> Mapping[str, Worker]:
    """Each imports what it needs when it runs: processes of their own stay small."""

    async def dispatch(pulse: Pulse, stopping: asyncio.Event) -> None:
        from workers.dispatching.running import run_dispatcher

        await run_dispatcher(settings, dsn, committer, pulse, stopping)

    async def project(pulse: Pulse, stopping: asyncio.Event) -> None:
        from workers.projecting.following import run_projector

        await run_projector(dsn, pulse, stopping)

    async def schedule(pulse: Pulse, stopping: asyncio.Event) -> None:
        from workers.jobs import run_jobs

        await run_jobs(settings, dsn, store, committer, pulse, stopping)

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
