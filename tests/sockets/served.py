"""A real API in a thread, before a real paper venue; and raw clients of its sockets."""

import json
import threading
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import httpx
from msgspec import Struct, structs

from adapters.settings import Settings
from api import serve
from api.app import create_app
from api.deps import Deps
from api.sockets.open_sockets import OpenSockets
from tests.tls import TLS

USER, PASSWORD = "tester", "correct horse"
TOKEN = b64encode(f"{USER}:{PASSWORD}".encode()).decode()
PAIR = "EUR-USD"


class Served(Struct, frozen=True):
    deps: Deps
    server: serve.Server
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def socket_url(self, path: str = "/ws/market-data", query: str = f"token={TOKEN}") -> str:
        return f"ws://127.0.0.1:{self.port}{path}?{query}"

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, auth=(USER, PASSWORD), timeout=30, verify=TLS)


@contextmanager
def serving(
    database_url: str,
    venue_url: str,
    folder: Path,
    sockets: OpenSockets | None = None,
    **changed: Any,
) -> Iterator[Served]:
    own: dict[str, Any] = {"username": USER, "password": PASSWORD, "data_dir": folder, "port": 0}
    settings = Settings(**(own | {"database_url": database_url, "paper_url": venue_url} | changed))
    deps = serve.build(settings)
    if sockets is not None:
        deps = structs.replace(deps, sockets=sockets)
    server = serve.Server(serve.configured(settings, create_app(deps)), deps)
    thread = threading.Thread(target=server.run)
    thread.start()
    deadline = time.monotonic() + 60
    while not server.started:
        assert thread.is_alive(), "the server ended"
        assert time.monotonic() < deadline, "the server did not start"
        time.sleep(0.005)
    try:
        yield Served(deps, server, server.servers[0].sockets[0].getsockname()[1])
    finally:
        server.should_exit = True
        thread.join()
        deps.committer.close()
        deps.store.close()


class Raw:
    """One connection, frame by frame."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.seen: list[dict[str, Any]] = []

    async def send(self, **message: Any) -> None:
        await self.socket.send_json(message)

    async def next(self, seconds: float = 30.0) -> dict[str, Any]:
        message = await self.socket.receive(seconds)
        assert message.type is aiohttp.WSMsgType.TEXT, message
        frame: dict[str, Any] = json.loads(message.data)
        self.seen.append(frame)
        return frame

    async def next_of(self, *kinds: str, seconds: float = 30.0) -> dict[str, Any]:
        deadline = time.monotonic() + seconds
        while True:
            frame = await self.next(max(0.01, deadline - time.monotonic()))
            if frame["type"] in kinds:
                return frame

    async def ask(self, **message: Any) -> dict[str, Any]:
        """Send, and pass over the data that was under way when the answer was not."""
        await self.send(**message)
        return await self.next_of("subscribed", "unsubscribed", "pong", "error")

    async def ask_at_once(self, **message: Any) -> dict[str, Any]:
        """Send, and take the next frame as the answer, as the client package does."""
        await self.send(**message)
        return await self.next()

    async def closed(self, seconds: float = 30.0) -> int | None:
        """Read to the end; answers the close code."""
        deadline = time.monotonic() + seconds
        while True:
            message = await self.socket.receive(max(0.01, deadline - time.monotonic()))
            if message.type is not aiohttp.WSMsgType.TEXT:
                return self.socket.close_code


@asynccontextmanager
async def opened(url: str, **options: Any) -> AsyncIterator[Raw]:
    async with aiohttp.ClientSession() as http, http.ws_connect(url, **options) as socket:
        yield Raw(socket)


@asynccontextmanager
async def connected(served: Served) -> AsyncIterator[Raw]:
    """Logged in, and greeted."""
    async with opened(served.socket_url()) as raw:
        assert (await raw.next())["type"] == "connected"
        yield raw


def subscribe(kind: str, **fields: Any) -> dict[str, Any]:
    return {
        "action": "subscribe",
        "type": kind,
        "connector": "paper",
        "trading_pair": PAIR,
        "update_interval": 0.25,
    } | fields
