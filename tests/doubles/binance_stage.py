"""One account of the Binance double with its client, its streams and the control routes."""

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from tests.doubles.binance_client import RawClient
from tests.doubles.binance_process import BinanceProcess

Socket = aiohttp.ClientWebSocketResponse


class Stage:
    """The exchange, one account's client and its keys."""

    def __init__(self, exchange: BinanceProcess, account: str, market: str) -> None:
        self.exchange = exchange
        self.account = account
        self.key, self.secret = exchange.new_account(account)
        self.client = RawClient(exchange.url, self.key, self.secret, market)

    @asynccontextmanager
    async def socket(self, path: str) -> AsyncIterator[Socket]:
        async with (
            aiohttp.ClientSession(self.exchange.url) as session,
            session.ws_connect(path) as socket,
        ):
            yield socket

    @asynccontextmanager
    async def user_stream(self) -> AsyncIterator[Socket]:
        async with self.socket("/ws-api/v3") as socket:
            answer = await self.log_in(socket)
            assert "subscriptionId" in answer["result"]
            yield socket

    async def log_in(self, socket: Socket, secret: str | None = None) -> dict[str, Any]:
        parameters: dict[str, Any] = {"apiKey": self.key, "timestamp": int(time.time() * 1_000)}
        text = "&".join(f"{name}={parameters[name]}" for name in sorted(parameters))
        key = (secret or self.secret).encode()
        parameters["signature"] = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
        method = "userDataStream.subscribe.signature"
        await socket.send_json({"id": "1", "method": method, "params": parameters})
        return await told(socket)

    async def control(self, name: str, **body: Any) -> Any:
        return await asyncio.to_thread(lambda: self.exchange.control(name, **body))

    async def place(self, name: str, **fields: Any) -> dict[str, Any]:
        return await asyncio.to_thread(lambda: self.client.placed(name, **fields))


async def told(socket: Socket) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(await socket.receive_str(timeout=60))
    return message


async def replied(socket: Socket) -> dict[str, Any]:
    """The answer to what was asked; events that come of themselves are passed over."""
    while "e" in (message := await told(socket)):
        pass
    return message


async def reports(socket: Socket, count: int) -> list[tuple[str, str, str]]:
    """Execution type, status and cumulative quantity of the next so many execution reports."""
    found: list[tuple[str, str, str]] = []
    while len(found) < count:
        event = (await told(socket))["event"]
        if event["e"] == "executionReport":
            found.append((event["x"], event["X"], event["z"]))
    return found


def play(scene: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        await asyncio.wait_for(scene(), 120)

    asyncio.run(bounded())
