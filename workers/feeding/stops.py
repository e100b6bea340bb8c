"""Partitions that a member reads no further, and when it tries them again.

A rebuild may have taken the read models past what stopped them, so a partition is not given up. Its
reason stays in sight while it is tried: it goes when records come, or when nothing was wrong
between one trial and the next.
"""

import time
from collections.abc import Collection, Mapping

from adapters.kafka.topics import Partition

RETRY_SECONDS = 10.0


class Stops:
    def __init__(self, retry_seconds: float = RETRY_SECONDS) -> None:
        self.texts: dict[Partition, str] = {}
        self._retry_seconds = retry_seconds
        self._retry_at = 0.0
        self._on_trial: set[Partition] = set()

    def add(self, stopped: Mapping[Partition, str]) -> None:
        if not self.texts:
            self._retry_at = time.monotonic() + self._retry_seconds
        for (topic, number), text in stopped.items():
            self.texts[topic, number] = f"{topic} partition {number} {text}"
            self._on_trial.discard((topic, number))

    def is_stopped(self, place: Partition) -> bool:
        return place in self.texts and place not in self._on_trial

    def is_trial_due(self) -> bool:
        """Whether to begin again now; what was on trial until now is free."""
        if not self.texts or time.monotonic() < self._retry_at:
            return False
        self.free(self._on_trial)
        self._retry_at = time.monotonic() + self._retry_seconds
        return bool(self.texts)

    def try_again(self, assigned: Collection[Partition]) -> None:
        """All of them are read again; those of other members by now are not ours to tell of."""
        self.texts = {place: text for place, text in self.texts.items() if place in assigned}
        self._on_trial = set(self.texts)

    def free(self, places: Collection[Partition]) -> None:
        for place in self._on_trial & set(places):
            del self.texts[place]
        self._on_trial -= set(places)
