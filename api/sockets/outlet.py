"""The writing side of one WebSocket: one frame at a time, answers before data.

Clients take the next frame after what they asked for its answer. So no data frame is begun while a
message is being answered, nor for a quarter of a second after: who subscribes to several things
asks for the next one then. Nothing is queued: who writes waits.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from litestar.types import Scope, Send

from api.http import wire

BACKLOG_BYTES = 64 * 1024
QUIET_SECONDS = 0.25
QUIET_MAX_SECONDS = 2.0
"""Of messages that follow one another; data is not held back for ever by a client that talks."""


class Stalled(Exception):  # noqa: N818 - says what is so
    """The client takes nothing; its connection was cut."""


class Outlet:
    def __init__(self, scope: Scope, send: Send, stall_seconds: float) -> None:
        self.sent = 0
        self.scope = scope
        self._send = send
        self._stall_seconds = stall_seconds
        self._lock = asyncio.Lock()
        self._is_answered = asyncio.Event()
        self._is_answered.set()
        self._now = asyncio.get_running_loop().time
        self._quiet_from = self._quiet_until = self._pushed_at = 0.0

    @asynccontextmanager
    async def answering(self) -> AsyncIterator[None]:
        """While a message is being answered; there is one at a time."""
        began_at = self._now()
        if self._quiet_until <= self._pushed_at:
            self._quiet_from = began_at
        self._is_answered.clear()
        try:
            yield
        finally:
            now = self._now()
            self._quiet_from += now - began_at  # Our own time is not the client's.
            self._quiet_until = min(now + QUIET_SECONDS, self._quiet_from + QUIET_MAX_SECONDS)
            self._is_answered.set()

    async def answer(self, text: str) -> None:
        async with self._lock:
            await self._write(text)

    async def push(
        self, make: Callable[[], list[str]], is_wanted: Callable[[], bool] = lambda: True
    ) -> None:
        """Send what `make` answers once data may be sent, while it is wanted."""
        texts: list[str] | None = None
        while texts is None or texts:
            await self._is_answered.wait()
            await asyncio.sleep(max(0.0, self._quiet_until - self._now()))
            async with self._lock:
                if not self._is_answered.is_set() or self._now() < self._quiet_until:
                    continue
                if texts is None:
                    texts = make()
                if not is_wanted():
                    return
                if texts:
                    self._pushed_at = self._now()
                    await self._write(texts.pop(0))

    async def close(self, code: int, reason: str, within_seconds: float) -> None:
        """Say goodbye if the client still listens, else cut the connection."""
        try:
            async with asyncio.timeout(within_seconds), self._lock:
                message: object = {"type": "websocket.close", "code": code, "reason": reason}
                await self._send(message)  # type: ignore[arg-type]
        except TimeoutError:
            wire.abort(self.scope)

    async def _write(self, text: str) -> None:
        message: object = {"type": "websocket.send", "text": text, "bytes": None}
        try:
            async with asyncio.timeout(self._stall_seconds):
                await self._send(message)  # type: ignore[arg-type]
        except TimeoutError:
            wire.abort(self.scope)
            raise Stalled from None
        self.sent += 1
