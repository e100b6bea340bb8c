"""WebSockets: market streams (raw and combined), user streams, and the spot WebSocket API.

On one port a path tells the market: `/ws` and `/stream` are spot, `/public`, `/market` and
`/private` before them are futures.
"""

import asyncio
import json
from contextlib import suppress
from typing import Any

from aiohttp import WSMsgType, web

from tests.doubles.binance import calls
from tests.doubles.binance.exchange import Exchange
from tests.doubles.binance.hub import Connection, Hub
from tests.doubles.binance.refusals import ApiError
from tests.doubles.binance.symbols import Market

_MESSAGE_MAX_BYTES = 1024 * 1024
_HEARTBEAT_SECONDS = 20.0


class Sockets:
    paths = (
        "/ws-api/v3",
        "/ws",
        "/ws/{tail:.*}",
        "/stream",
        "/{part:public|market|private}/ws",
        "/{part:public|market|private}/ws/{tail:.*}",
        "/{part:public|market|private}/stream",
    )

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._hub = Hub(exchange)
        self._subscriptions = 0

    def end_user_stream(self, market: Market, account: str) -> None:
        """End the account's user streams but not their connections, and say so."""
        now_ms, key = self._exchange.now_ms(), ""
        for held, owner in tuple(self._exchange.listen_keys.items()):
            if market == "futures" and owner == account:
                key = held
                del self._exchange.listen_keys[held]
        message: dict[str, Any] = {"e": "eventStreamTerminated", "E": now_ms}
        if market == "futures":
            message = {"e": "listenKeyExpired", "E": now_ms, "listenKey": key}
        for connection in self._hub.users.pop((market, account), ()):
            self._hub.send_user(connection, message)

    def announce_shutdown(self) -> int:
        """Tell every spot connection that the server is about to go; returns how many."""
        message = {"e": "serverShutdown", "E": self._exchange.now_ms()}
        told = [held for held in self._hub.connections if held.market == "spot"]
        for connection in told:
            if connection.is_api:
                connection.send({"event": message})
            elif connection.is_combined:
                connection.send({"stream": "!serverShutdown", "data": message})
            else:
                connection.send(message)
        return len(told)

    def cut(self, account: str) -> int:
        """Cut the user streams of an account, or with `*` every connection; returns how many."""
        connections = [
            connection
            for connection in self._hub.connections
            if account in {"*", connection.account}
        ]
        for connection in connections:
            self._hub.forget(connection)
            connection.transport.abort()
        return len(connections)

    def cut_market(self) -> int:
        """Cut the connections that hear market streams."""
        connections = [held for held in self._hub.connections if held.streams]
        for connection in connections:
            self._hub.forget(connection)
            connection.transport.abort()
        return len(connections)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        transport = request.transport
        if transport is None:
            raise web.HTTPServiceUnavailable
        socket = web.WebSocketResponse(
            heartbeat=_HEARTBEAT_SECONDS, max_msg_size=_MESSAGE_MAX_BYTES
        )
        await socket.prepare(request)
        connection = Connection(socket, transport)
        self._hub.connections.add(connection)
        sender = asyncio.create_task(connection.run())
        try:
            self._open(request, connection)
            self._exchange.requests[f"WS {request.path}"] += 1
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    self._hear(request.path, connection, message.data)
        finally:
            sender.cancel()
            self._hub.forget(connection)
            with suppress(asyncio.CancelledError, ConnectionError):
                await sender
        return socket

    def _open(self, request: web.Request, connection: Connection) -> None:
        """Take the streams, or the listen key, that the address names."""
        market = connection.market = _market(request.path)
        connection.is_api = request.path == "/ws-api/v3"
        connection.is_combined = request.path.endswith("/stream")
        named = request.match_info.get("tail", "").split("/")
        named += request.query.get("streams", "").split("/")
        key = request.query.get("listenKey", "")
        for name in (*named, key):
            if name in self._exchange.listen_keys:
                connection.account = self._exchange.listen_keys[name]
                listeners = self._hub.users.setdefault((market, connection.account), set())
                listeners.add(connection)
            elif "@" in name or name.startswith("!"):
                self._hub.subscribe(connection, market, name)

    def _hear(self, path: str, connection: Connection, text: str) -> None:
        try:
            said = json.loads(text)
        except ValueError as error:
            connection.send({"error": {"code": 3, "msg": f"Invalid JSON: {error}"}})
            return
        if path == "/ws-api/v3":
            connection.send(self._called(connection, said))
        else:
            connection.send(self._asked(_market(path), connection, said))

    def _asked(self, market: Market, connection: Connection, said: Any) -> dict[str, Any]:
        number = said.get("id") if isinstance(said, dict) else None
        names = said.get("params", []) if isinstance(said, dict) else []
        match said.get("method") if isinstance(said, dict) else None:
            case "SUBSCRIBE":
                for name in names:
                    self._hub.subscribe(connection, market, str(name))
                return {"result": None, "id": number}
            case "UNSUBSCRIBE":
                for name in names:
                    self._hub.unsubscribe(connection, market, str(name))
                return {"result": None, "id": number}
            case "LIST_SUBSCRIPTIONS":
                return {"result": sorted(name for _, name in connection.streams), "id": number}
            case method:
                text = f"Invalid request: unknown method {method!r}"
                return {"error": {"code": 2, "msg": text}, "id": number}

    def _called(self, connection: Connection, said: Any) -> dict[str, Any]:
        """The spot WebSocket API: as much of it as user streams need."""
        number = said.get("id") if isinstance(said, dict) else None
        try:
            result = self._call(connection, said.get("method"), said.get("params") or {})
        except ApiError as error:
            refusal = {"code": error.code, "msg": error.text}
            return {"id": number, "status": error.status, "error": refusal, "rateLimits": []}
        return {"id": number, "status": 200, "result": result, "rateLimits": []}

    def _call(
        self, connection: Connection, method: str, parameters: dict[str, Any]
    ) -> dict[str, Any]:
        exchange = self._exchange
        exchange.requests[f"WS-API {method}"] += 1
        match method:
            case "ping":
                return {}
            case "time":
                return {"serverTime": exchange.now_ms()}
            case "userDataStream.subscribe.signature":
                account = calls.who(exchange.accounts, str(parameters.get("apiKey", "")))
                payload = "&".join(
                    f"{name}={parameters[name]}"
                    for name in sorted(parameters)
                    if name != "signature"
                )
                calls.check(account, "read", payload, parameters, exchange.now_ms())
                connection.account = account.name
                connection.subscription = self._subscriptions
                self._subscriptions += 1
                self._hub.users.setdefault(("spot", account.name), set()).add(connection)
                return {"subscriptionId": connection.subscription}
            case "userDataStream.unsubscribe":
                self._hub.users.get(("spot", connection.account), set()).discard(connection)
                ended = {"e": "eventStreamTerminated", "E": exchange.now_ms()}
                self._hub.send_user(connection, ended)
                return {}
            case _:
                raise ApiError(-1000, f"Unknown method {method!r}.")


def _market(path: str) -> Market:
    return "futures" if path.startswith(("/public", "/market", "/private")) else "spot"
