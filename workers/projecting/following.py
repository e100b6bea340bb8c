"""The projector as a worker: a thread that folds page after page and sleeps until woken."""

import asyncio
import logging
import time

from adapters.postgres.append import CHANNEL
from adapters.postgres.connect import PROJECTOR_OPTIONS, connect
from adapters.postgres.rows import CheckpointMoved
from workers.projecting.projector import Projector
from workers.running.pulse import Pulse
from workers.running.threads import Stop, run_in_thread
from workers.running.waking import wait_for_log

_log = logging.getLogger(__name__)
IDLE_SECONDS = 1.0
GATHER_BELOW_EVENTS = 100
GATHER_SECONDS = 0.01
"""After a small page: what arrives meanwhile shares the next transaction."""


def follow(dsn: str, pulse: Pulse, stopping: Stop) -> None:
    """Fold until stopped. Raises psycopg.Error or codec.LogIsNewer; the runner starts it again."""
    while not stopping.is_set():
        try:
            _follow(dsn, pulse, stopping)
        except CheckpointMoved as error:
            # The other projector is ahead: read again from where it stands.
            _log.warning("%s", error)
            time.sleep(0.1)


def _follow(dsn: str, pulse: Pulse, stopping: Stop) -> None:
    projector = Projector(dsn)
    events = 0
    try:
        with connect(dsn, PROJECTOR_OPTIONS, autocommit=True) as wake:
            wake.execute(f"listen {CHANNEL}")
            while not stopping.is_set():
                progress = projector.step()
                events += progress.events
                pulse.beat("running", position=progress.position, detail={"events": events})
                wait_for_log(wake, 0 if progress.events else IDLE_SECONDS, stopping)
                if 0 < progress.events < GATHER_BELOW_EVENTS:
                    time.sleep(GATHER_SECONDS)
    finally:
        projector.close()


async def run_projector(dsn: str, pulse: Pulse, stopping: asyncio.Event) -> None:
    await run_in_thread(lambda stop: follow(dsn, pulse, stop), stopping)
