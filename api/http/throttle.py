"""Limits on who asks how often: buckets for callers, pauses for failed logins. In memory."""

import math
import time
from collections import OrderedDict
from collections.abc import Callable

from msgspec import Struct

_NAMES_MAX = 10_000
PAUSE_MAX_SECONDS = 60.0
FORGET_SECONDS = 900.0
_DOUBLINGS_MAX = 6
Clock = Callable[[], float]


class _Bucket(Struct):
    tokens: float
    filled_at: float


class Buckets:
    """A token bucket a name: `rate` a second in the long run, `burst` at once; rate 0 is off."""

    def __init__(self, rate: float, burst: float, clock: Clock = time.monotonic) -> None:
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def take(self, name: str) -> float:
        """Take one token; answers 0, or the seconds until there is one."""
        if not self._rate:
            return 0.0
        now = self._clock()
        bucket = self._buckets.get(name)
        if bucket is None:
            bucket = self._buckets[name] = _Bucket(self._burst, now)
            if len(self._buckets) > _NAMES_MAX:
                self._buckets.popitem(last=False)
        bucket.tokens = min(self._burst, bucket.tokens + (now - bucket.filled_at) * self._rate)
        bucket.filled_at = now
        if bucket.tokens >= 1:
            bucket.tokens -= 1
            return 0.0
        return (1 - bucket.tokens) / self._rate


class _Attempts(Struct):
    count: int
    blocked_until: float
    last_at: float


class Failures:
    """Failed logins by name: some are free, then each one doubles the pause, up to a minute.

    An attempt counts as failed when it begins, so that many at once are no way around. After a
    quarter of an hour without one, all are forgotten.
    """

    def __init__(self, free: int, clock: Clock = time.monotonic) -> None:
        self._free = free
        self._clock = clock
        self._attempts: OrderedDict[object, _Attempts] = OrderedDict()

    def begin(self, name: object) -> float:
        """Count an attempt; answers 0, or the seconds to wait before the next may be made."""
        now = self._clock()
        attempts = self._attempts.setdefault(name, _Attempts(0, 0.0, now))
        self._attempts.move_to_end(name)
        if len(self._attempts) > _NAMES_MAX:
            self._attempts.popitem(last=False)
        if attempts.blocked_until > now:
            return attempts.blocked_until - now
        if now - attempts.last_at > FORGET_SECONDS:
            attempts.count = 0
        attempts.last_at = now
        attempts.count += 1
        if attempts.count >= self._free:
            doublings = min(attempts.count - self._free, _DOUBLINGS_MAX)
            attempts.blocked_until = now + min(PAUSE_MAX_SECONDS, 2.0**doublings)
        return 0.0

    def succeeded(self, name: object) -> None:
        self._attempts.pop(name, None)


def retry_after(seconds: float) -> dict[str, str]:
    return {"Retry-After": str(max(1, math.ceil(seconds)))}
