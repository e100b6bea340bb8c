"""Group commit: what arrives while a transaction runs goes together into the next one.

The surprising thing: when a commit fails the engine is ahead of its ledger, so the venue stops;
it starts again from what the ledger says.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from adapters.venues.paper.engine import Engine, Update
from adapters.venues.paper.ledger import Ledger, RequestRow
from adapters.venues.port import VenueUnreachable

Publish = Callable[[list[tuple[str, Update]]], None]


class Committer:
    def __init__(self, engine: Engine, ledger: Ledger, publish: Publish) -> None:
        self._engine = engine
        self._ledger = ledger
        self._publish = publish
        self._requests: list[RequestRow] = []
        self._waiters: list[asyncio.Future[None]] = []
        self._wake = asyncio.Event()
        self._is_stopping = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ledger")

    def log(self, row: RequestRow) -> None:
        self._requests.append(row)

    def wake(self) -> None:
        """Ask for a commit of what the engine did, without waiting for it."""
        self._wake.set()

    async def durable(self) -> None:
        """Return when everything that has happened so far survives a kill of the process."""
        if self._is_stopping:
            raise VenueUnreachable("the venue is shutting down")
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        self._wake.set()
        await waiter

    async def note(self, name: str, content: str) -> None:
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._thread, self._ledger.save_note, name, content)

    async def run(self) -> None:
        """Commit until `stop`; raises what the ledger raised."""
        loop = asyncio.get_running_loop()
        while not self._is_stopping or self._waiters:
            await self._wake.wait()
            self._wake.clear()
            changes = self._engine.take_changes()
            waiters, self._waiters = self._waiters, []
            requests, self._requests = self._requests, []
            try:
                if changes.updates or changes.balances or requests:
                    await loop.run_in_executor(self._thread, self._ledger.commit, changes, requests)
            except BaseException:
                self._is_stopping = True
                for waiter in waiters + self._waiters:
                    if not waiter.done():
                        waiter.set_exception(VenueUnreachable("the ledger could not be written"))
                raise
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_result(None)
            self._publish(changes.updates)
        self._thread.shutdown()

    def stop(self) -> None:
        self._is_stopping = True
        self._wake.set()
