"""Runs workers in one process: each restarts alone, with back-off, and shows that it is alive.

A worker is an async function `run(pulse, stopping)`. One that raises is started again after a pause
that doubles up to ten seconds. Several processes may run a worker of one name.
"""

import asyncio
import contextlib
import logging
import signal
import time
from collections.abc import Awaitable, Callable, Mapping

from adapters import collector
from commands.codec import LogIsNewer
from workers.running.beating import beating, why
from workers.running.pulse import Pulse

_log = logging.getLogger(__name__)
PAUSE_FIRST_SECONDS = 0.2
PAUSE_MAX_SECONDS = 10.0
HEALTHY_SECONDS = 30.0

Worker = Callable[[Pulse, asyncio.Event], Awaitable[None]]


async def run_workers(dsn: str, workers: Mapping[str, Worker]) -> None:
    """Run until SIGINT or SIGTERM, then let each worker finish what it has begun."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    pulses = [Pulse(name) for name in workers]
    collector.calm()
    async with beating(dsn, pulses):
        await asyncio.gather(
            *(
                _keep_running(worker, pulse, stopping)
                for worker, pulse in zip(workers.values(), pulses, strict=True)
            )
        )


async def _keep_running(worker: Worker, pulse: Pulse, stopping: asyncio.Event) -> None:
    pause_seconds = PAUSE_FIRST_SECONDS
    while not stopping.is_set():
        started_at = time.monotonic()
        try:
            await worker(pulse, stopping)
        except LogIsNewer as error:
            _log.error("Worker %s stopped: %s", pulse.name, error)
            pulse.beat("log_is_newer")
        except Exception as error:  # noqa: BLE001 - logged, shown in /ready, and started again
            _log.exception("Worker %s failed and starts again", pulse.name)
            pulse.beat(f"failed: {why(error)}"[:300])
        if time.monotonic() - started_at > HEALTHY_SECONDS:
            pause_seconds = PAUSE_FIRST_SECONDS
        if not stopping.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause_seconds):
                    await stopping.wait()
            pause_seconds = min(2 * pause_seconds, PAUSE_MAX_SECONDS)
    pulse.beat("stopped")
