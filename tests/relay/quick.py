"""A relay that looks again soon, in a process of its own.

It gives up on a record after 3 s, or, run with the word `patient`, when the real one does: for
those that count what is sent, since one that gives up sends again.
"""

import asyncio
import logging
import sys

import uvloop
from msgspec import structs

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
PATIENT = structs.replace(LIMITS, producer=ProducerLimits(metadata_seconds=1.0))


async def _main() -> None:
    settings = load()
    assert settings.database_url is not None
    dsn = settings.database_url
    limits = PATIENT if sys.argv[1:] == ["patient"] else LIMITS

    async def relay(pulse: Pulse, stopping: asyncio.Event) -> None:
        await run_relay(settings, dsn, pulse, stopping, limits)

    await run_workers(dsn, {"relay": relay})


if __name__ == "__main__":
    logging.basicConfig()  # What Kafka's client warns of, too.
    uvloop.run(_main())
