"""Streams: one bounded queue per connection, each told what was said under its keys.

The keys of user streams are accounts, told only what is already durable. A client that reads too
slowly is cut off instead of buffered for: it reconnects, hears that it did and asks for what it
missed.
"""

import asyncio
import socket as sockets
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import msgspec
from aiohttp import web

from adapters.venues.port import StreamConnected, UserUpdate

_QUEUE_MAX = 1_000
_HEARTBEAT_SECONDS = 10.0
_STREAMS_MAX = 1_000
_KERNEL_BUFFER_BYTES = 64 * 1024
_encode = msgspec.json.Encoder().encode


@dataclass(eq=False)
class _Stream:
    transport: asyncio.Transport
    keys: Sequence[str]
    queue: asyncio.Queue[bytes] = field(default_factory=lambda: asyncio.Queue(_QUEUE_MAX))


class Streams:
    def __init__(self) -> None:
        self._streams: dict[str, set[_Stream]] = {}
        self._count = 0

    def has(self, key: str) -> bool:
        return key in self._streams

    def tell(self, account: str, update: UserUpdate) -> None:
        if account in self._streams:
            self.send(account, _encode(update))

    def send(self, key: str, text: bytes) -> None:
        for stream in tuple(self._streams.get(key, ())):
            try:
                stream.queue.put_nowait(text)
            except asyncio.QueueFull:
                self._cut(stream)

    def cut_all(self) -> None:
        for stream in set().union(*self._streams.values()):
            self._cut(stream)

    async def serve_account(self, request: web.Request, account: str) -> web.StreamResponse:
        return await self.serve(request, (account,), lambda: (_encode(StreamConnected()),))

    async def serve(
        self, request: web.Request, keys: Sequence[str], first: Callable[[], Iterable[bytes]]
    ) -> web.StreamResponse:
        """Speak to one connection until it, or we, end it; what `first` answers before all else."""
        transport = request.transport
        if transport is None or self._count >= _STREAMS_MAX:
            raise web.HTTPServiceUnavailable
        self._count += 1
        try:
            return await self._serve(request, transport, keys, first)
        finally:
            self._count -= 1

    async def _serve(
        self,
        request: web.Request,
        transport: asyncio.Transport,
        keys: Sequence[str],
        first: Callable[[], Iterable[bytes]],
    ) -> web.StreamResponse:
        socket = web.WebSocketResponse(heartbeat=_HEARTBEAT_SECONDS, max_msg_size=1_024)
        await socket.prepare(request)
        # The kernel would hide megabytes of backlog, and with it a client that stopped reading.
        transport.get_extra_info("socket").setsockopt(
            sockets.SOL_SOCKET, sockets.SO_SNDBUF, _KERNEL_BUFFER_BYTES
        )
        stream = _Stream(transport, keys)
        for text in first():
            stream.queue.put_nowait(text)
        for key in keys:
            self._streams.setdefault(key, set()).add(stream)
        sender = asyncio.create_task(_send(stream.queue, socket))
        try:
            async for _ in socket:  # Clients have nothing to say; this notices that they left.
                continue
        finally:
            sender.cancel()
            self._forget(stream)
        return socket

    def _cut(self, stream: _Stream) -> None:
        """Close without a goodbye: a client that does not read would not hear it."""
        self._forget(stream)
        stream.transport.abort()

    def _forget(self, stream: _Stream) -> None:
        for key in stream.keys:
            streams = self._streams.get(key, set())
            streams.discard(stream)
            if not streams:
                self._streams.pop(key, None)


async def _send(queue: asyncio.Queue[bytes], socket: web.WebSocketResponse) -> None:
    with suppress(ConnectionError):
        while True:
            await socket.send_frame(await queue.get(), web.WSMsgType.TEXT)
