"""One call for all who ask the same thing at the same time."""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from functools import partial
from typing import Any, Generic, TypeVar

Found = TypeVar("Found")


class Flights(Generic[Found]):
    """The call goes on when one who waits for it gives up: others wait too, or will ask again."""

    def __init__(self) -> None:
        self._under_way: dict[Hashable, asyncio.Task[Found]] = {}

    def __len__(self) -> int:
        return len(self._under_way)

    async def join(self, key: Hashable, call: Callable[[], Coroutine[Any, Any, Found]]) -> Found:
        """Wait for the call of that key, which is made if none is under way."""
        task = self._under_way.get(key)
        if task is None:
            task = self._under_way[key] = asyncio.create_task(call())
            task.add_done_callback(partial(self._landed, key))
        return await asyncio.shield(task)

    async def close(self) -> None:
        tasks = list(self._under_way.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _landed(self, key: Hashable, task: asyncio.Task[Found]) -> None:
        del self._under_way[key]
        if not task.cancelled():
            task.exception()  # Seen, also where nobody waited any more.
