"""User streams: one bounded queue per connection, told only what is already durable.

A client that reads too slowly is cut off instead of buffered for: it reconnects, hears
`connected` and asks for what it missed.
"""

import asyncio
import socket as sockets
from contextlib import suppress
from dataclasses import dataclass, field

import msgspec
from aiohttp import web

from adapters.venues.port import StreamConnected, UserUpdate

_QUEUE_MAX = 1_000
_HEARTBEAT_SECONDS = 10.0
_STREAMS_MAX = 1_000
_KERNEL_BUFFER_BYTES = 64 * 1024


@dataclass(eq=False)
class _Stream:
    transport: asyncio.Transport
    queue: asyncio.Queue[bytes] = field(default_factory=lambda: asyncio.Queue(_QUEUE_MAX))


class Streams:
    def __init__(self) -> None:
        self._streams: dict[str, set[_Stream]] = {}
        self._encode = msgspec.json.Encoder().encode

    def tell(self, account: str, update: UserUpdate) -> None:
        streams = self._streams.get(account)
        if not streams:
            return
        text = self._encode(update)
        for stream in tuple(streams):
            try:
                stream.queue.put_nowait(text)
            except asyncio.QueueFull:
                self._cut(account, stream)

    def cut_all(self) -> None:
        for account, streams in tuple(self._streams.items()):
            for stream in tuple(streams):
                self._cut(account, stream)

    async def serve(self, request: web.Request, account: str) -> web.StreamResponse:
        """Speak to one connection until it, or we, end it."""
        transport = request.transport
        if transport is None or sum(map(len, self._streams.values())) >= _STREAMS_MAX:
            raise web.HTTPServiceUnavailable
        socket = web.WebSocketResponse(heartbeat=_HEARTBEAT_SECONDS, max_msg_size=1_024)
        await socket.prepare(request)
        # The kernel would hide megabytes of backlog, and with it a client that stopped reading.
        transport.get_extra_info("socket").setsockopt(
            sockets.SOL_SOCKET, sockets.SO_SNDBUF, _KERNEL_BUFFER_BYTES
        )
        stream = _Stream(transport)
        stream.queue.put_nowait(self._encode(StreamConnected()))
        self._streams.setdefault(account, set()).add(stream)
        sender = asyncio.create_task(_send(stream.queue, socket))
        try:
            async for _ in socket:  # Clients have nothing to say; this notices that they left.
                continue
        finally:
            sender.cancel()
            self._forget(account, stream)
        return socket

    def _cut(self, account: str, stream: _Stream) -> None:
        """Close without a goodbye: a client that does not read would not hear it."""
        self._forget(account, stream)
        stream.transport.abort()

    def _forget(self, account: str, stream: _Stream) -> None:
        streams = self._streams.get(account, set())
        streams.discard(stream)
        if not streams:
            self._streams.pop(account, None)


async def _send(queue: asyncio.Queue[bytes], socket: web.WebSocketResponse) -> None:
    with suppress(ConnectionError):
        while True:
            await socket.send_frame(await queue.get(), web.WSMsgType.TEXT)
