"""A worker that blocks, as a thread of an asynchronous process."""

import asyncio
import socket
import threading
from collections.abc import Callable


class Stop(threading.Event):
    """An event that is waited for together with sockets: `fileno` is readable once it is set."""

    def __init__(self) -> None:
        super().__init__()
        self._reader, self._writer = socket.socketpair()

    def fileno(self) -> int:
        return self._reader.fileno()

    def set(self) -> None:
        if not self.is_set():
            super().set()
            self._writer.send(b".")

    def close(self) -> None:
        self._reader.close()
        self._writer.close()


async def run_in_thread(work: Callable[[Stop], None], stopping: asyncio.Event) -> None:
    """Run until the work ends by itself or has heeded `stopping`; raises what it raised."""
    stop_thread = Stop()
    working = asyncio.create_task(asyncio.to_thread(work, stop_thread))
    waiting = asyncio.create_task(stopping.wait())
    await asyncio.wait((working, waiting), return_when=asyncio.FIRST_COMPLETED)
    stop_thread.set()
    waiting.cancel()
    try:
        await working
    finally:
        if working.done():
            stop_thread.close()
