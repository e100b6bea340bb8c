"""The writing side of one WebSocket: one frame at a time, answers before data.

Clients take the next frame after what they asked for its answer. So from the moment a message is
taken until it is answered no data frame is begun. Nothing is queued: who writes waits.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from litestar.types import Scope, Send

from api import wire

STALL_SECONDS = 20.0
BACKLOG_BYTES = 64 * 1024


class Stalled(Exception):  # noqa: N818 - says what is so
    """The client takes nothing; its connection was cut."""


class Outlet:
    def __init__(self, scope: Scope, send: Send, stall_seconds: float = STALL_SECONDS) -> None:
        self.sent = 0
        self._scope = scope
        self._send = send
        self._stall_seconds = stall_seconds
        self._lock = asyncio.Lock()
        self._is_answered = asyncio.Event()
        self._is_answered.set()

    @asynccontextmanager
    async def answering(self) -> AsyncIterator[None]:
        """While a message is being answered; there is one at a time."""
        self._is_answered.clear()
        try:
            yield
        finally:
            self._is_answered.set()

    async def answer(self, text: str) -> None:
        async with self._lock:
            await self._write(text)

    async def push(self, text: str, is_wanted: Callable[[], bool] = lambda: True) -> None:
        """Send data when no message is being answered, if it is still wanted then."""
        while True:
            await self._is_answered.wait()
            async with self._lock:
                if self._is_answered.is_set():
                    if is_wanted():
                        await self._write(text)
                    return

    async def close(self, code: int, reason: str, within_seconds: float) -> None:
        """Say goodbye if the client still listens, else cut the connection."""
        try:
            async with asyncio.timeout(within_seconds), self._lock:
                message: object = {"type": "websocket.close", "code": code, "reason": reason}
                await self._send(message)  # type: ignore[arg-type]
        except TimeoutError:
            wire.abort(self._scope)

    async def _write(self, text: str) -> None:
        message: object = {"type": "websocket.send", "text": text, "bytes": None}
        try:
            async with asyncio.timeout(self._stall_seconds):
                await self._send(message)  # type: ignore[arg-type]
        except TimeoutError:
            wire.abort(self._scope)
            raise Stalled from None
        self.sent += 1
