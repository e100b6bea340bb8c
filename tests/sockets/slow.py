"""A client of WebSockets that reads only when it is told to, and holds next to nothing unread."""

import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.sockets.served import TOKEN, Served

_SMALL = 4096


class Slow:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, **message: Any) -> None:
        content = json.dumps(message).encode()
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[place % 4] for place, byte in enumerate(content))
        self._writer.write(b"\x81\xfe" + len(content).to_bytes(2, "big") + mask + masked)
        await self._writer.drain()

    async def next(self) -> dict[str, Any]:
        """The next frame; raises IncompleteReadError or OSError when there will be none."""
        async with asyncio.timeout(60):
            kind, length = await self._reader.readexactly(2)
            if length >= 126:
                length = int.from_bytes(await self._reader.readexactly(2 if length == 126 else 8))
            content = await self._reader.readexactly(length)
        assert kind == 0x81, content
        frame: dict[str, Any] = json.loads(content)
        return frame

    async def next_of(self, kind: str) -> dict[str, Any]:
        while True:
            frame = await self.next()
            if frame["type"] == kind:
                return frame


@asynccontextmanager
async def slow(served: Served) -> AsyncIterator[Slow]:
    wire = socket.socket()
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALL)
    wire.settimeout(0)
    await asyncio.get_running_loop().sock_connect(wire, ("127.0.0.1", served.port))
    reader, writer = await asyncio.open_connection(sock=wire, limit=_SMALL)
    writer.write(
        f"GET /ws/market-data?token={TOKEN} HTTP/1.1\r\nHost: here\r\n"
        "Connection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
    )
    try:
        assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
        client = Slow(reader, writer)
        assert (await client.next())["type"] == "connected"
        yield client
    finally:
        writer.close()
