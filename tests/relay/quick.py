"""A relay that gives up on a record after 3 s and looks again soon, in a process of its own."""

import asyncio
import logging

import uvloop

from adapters.kafka.producer import ProducerLimits
from adapters.settings import load
from workers.relaying.relay import RelayLimits, run_relay
from workers.running.pulse import Pulse
from workers.running.runner import run_workers

LIMITS = RelayLimits(
    page_events=200,
    recheck_seconds=0.5,
    producer=ProducerLimits(delivery_seconds=3.0, request_seconds=1.5, metadata_seconds=1.0),
)


async def _main() -> None:
    settings = load()
    assert settings.database_url is not None
    dsn = settings.database_url

    async def relay(pulse: Pulse, stopping: asyncio.Event) -> None:
        await run_relay(settings, dsn, pulse, stopping, LIMITS)

    await run_workers(dsn, {"relay": relay})


if __name__ == "__main__":
    logging.basicConfig()  # What Kafka's client warns of, too.
    uvloop.run(_main())
