"""How a dispatcher writes to the log: until the log has taken it.

An observation is never given up because the store was away for a while. Seeing the same thing
twice is one command.
"""

import asyncio
import logging
from collections import Counter

from commands.committer import Committer
from commands.request import Command, Outcome, Overloaded, from_worker
from domain.log import Fence, StoreUnavailable

_log = logging.getLogger(__name__)


class Recorder:
    def __init__(self, committer: Committer, counts: Counter[str]) -> None:
        self.counts = counts
        self.recorded_up_to = 0
        """The last position that any outcome of ours has named."""
        self._committer = committer

    async def record_on(
        self,
        stream: str,
        command: Command,
        *,
        correlation_id: str,
        causation_id: str | None = None,
        fence: Fence | None = None,
        identity: str | None = None,
    ) -> Outcome:
        """Record, for as long as it takes. Raises LeaseLost, with nothing recorded, by the fence.

        The outcome may be a refusal: then the log has moved on.
        """
        request = from_worker(
            "dispatcher",
            stream,
            command,
            correlation_id=correlation_id,
            causation_id=causation_id,
            fence=fence,
            identity=identity,
        )
        pause_seconds = 0.05
        while True:
            try:
                outcome = await self._committer.submit(request)
            except (StoreUnavailable, Overloaded) as error:
                self.counts["store_waits"] += 1
                _log.warning("Recording on %s waits for the log: %s", stream, error)
            else:
                self.recorded_up_to = max(self.recorded_up_to, outcome.receipt.position)
                return outcome
            await asyncio.sleep(pause_seconds)
            pause_seconds = min(2 * pause_seconds, 2.0)
