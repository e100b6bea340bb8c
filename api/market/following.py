"""What feeds have in common: who listens, when they were last asked for, news, frames made once."""

import asyncio
import time
from collections.abc import Callable, Hashable
from typing import Literal

_TEXTS_MAX = 256
State = Literal["starting", "live", "lost", "refused", "ended"]


class Followed:
    """A feed with a task of its own; `tell` says that there is something new."""

    kind = ""

    def __init__(self, key: str, connector: str, pair: str) -> None:
        self.key = key
        self.connector = connector
        self.pair = pair
        self.state: State = "starting"
        self.refusal = ""
        """Why it is refused or ended."""
        self.updates = 0
        self.connects = 0
        self.listeners = 0
        self.asked_at = time.monotonic()
        self.moved = asyncio.Event()
        """Of the next news only: take it before the look, and wait for that one."""
        self._texts: dict[Hashable, str] = {}
        self._task: asyncio.Task[None] | None = None

    async def run(self) -> None:
        raise NotImplementedError

    def start(self) -> None:
        self._task = asyncio.create_task(self.run(), name=self.key)

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    def end(self, reason: str) -> None:
        """Say to those who listen that there will be no more."""
        if not self.is_over:
            self.state, self.refusal = "ended", f"the feed was {reason}"
        self.tell()

    @property
    def is_over(self) -> bool:
        return self.state in ("refused", "ended")

    @property
    def is_fresh(self) -> bool:
        return self.state == "live"

    @property
    def seen(self) -> str:
        """The state, for people: a live feed may have fallen silent."""
        return "silent" if self.state == "live" and not self.is_fresh else self.state

    def touch(self) -> None:
        self.asked_at = time.monotonic()

    @property
    def idle_seconds(self) -> float:
        return 0.0 if self.listeners else time.monotonic() - self.asked_at

    def tell(self) -> None:
        self._texts.clear()
        self.moved.set()
        self.moved = asyncio.Event()

    async def until(self, is_so: Callable[[], bool], timeout_seconds: float) -> bool:
        """Wait until it is so; False when it was not in time."""
        try:
            async with asyncio.timeout(timeout_seconds):
                while not is_so():
                    await self.moved.wait()
        except TimeoutError:
            return False
        return True

    def text(self, key: Hashable, make: Callable[[], str]) -> str:
        """A frame that is encoded once for all who want the same until the next news."""
        found = self._texts.get(key)
        if found is None:
            if len(self._texts) >= _TEXTS_MAX:
                self._texts.clear()
            found = self._texts[key] = make()
        return found
