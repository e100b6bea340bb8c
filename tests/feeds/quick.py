"""A kafka-projector with small pages and a short session, in a process of its own."""

import asyncio

import uvloop

from adapters.kafka.consumer import GroupLimits
from adapters.settings import load
from workers.feeding.feed import run_kafka_projector
from workers.feeding.member import FeedLimits
from workers.running.pulse import Pulse
from workers.running.runner import run_workers

LIMITS = FeedLimits(GroupLimits(20, 6000, 500), commit_seconds=0.5)


async def _main() -> None:
    settings = load()
    assert settings.database_url is not None
    dsn = settings.database_url

    async def follow(pulse: Pulse, stopping: asyncio.Event) -> None:
        await run_kafka_projector(settings, dsn, pulse, stopping, LIMITS)

    await run_workers(dsn, {"kafka-projector": follow})


if __name__ == "__main__":
    uvloop.run(_main())
