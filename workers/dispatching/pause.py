"""For how long a connector is left alone.

Venues count what comes from one address, not from one account, and ban for minutes those who go on
asking.
"""

import time

from adapters.venues.port import VenueBusy

SECONDS_MAX = 120.0


class Pause:
    """Shared by all desks of a connector in this process."""

    def __init__(self) -> None:
        self.until = 0.0
        """Monotonic seconds."""
        self._seconds = 0.0

    @property
    def is_on(self) -> bool:
        return time.monotonic() < self.until

    def heed(self, error: Exception) -> bool:
        """Begin one where the venue asked for it, ever longer if it asks again; answers whether."""
        if not isinstance(error, VenueBusy) or self.is_on:
            return False  # While it is on: said of a request that was under way already.
        now = time.monotonic()
        is_again = now < self.until + self._seconds
        doubled = min(2 * self._seconds, SECONDS_MAX) if is_again else 0.0
        self._seconds = max(doubled, error.retry_after_seconds)
        self.until = now + self._seconds
        return True
