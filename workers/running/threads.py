"""A worker that blocks, as a thread of an asynchronous process."""

import asyncio
import threading
from collections.abc import Callable


async def run_in_thread(work: Callable[[threading.Event], None], stopping: asyncio.Event) -> None:
    """Run until the work ends by itself or has heeded `stopping`; raises what it raised."""
    stop_thread = threading.Event()
    working = asyncio.create_task(asyncio.to_thread(work, stop_thread))
    waiting = asyncio.create_task(stopping.wait())
    await asyncio.wait((working, waiting), return_when=asyncio.FIRST_COMPLETED)
    stop_thread.set()
    waiting.cancel()
    await working
