"""The double as an HTTP server: one handler that looks a request up, checks, faults and answers."""

import asyncio
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import msgspec
from aiohttp import web

from tests.doubles.binance import calls, control
from tests.doubles.binance.calls import NOBODY, Call
from tests.doubles.binance.exchange import Exchange
from tests.doubles.binance.faults import FaultRule
from tests.doubles.binance.records import Account, RequestRow
from tests.doubles.binance.refusals import ApiError
from tests.doubles.binance.routes import ROUTES, Route
from tests.doubles.binance.sockets import Sockets

_BODY_MAX_BYTES = 1024 * 1024
_LOGGED = frozenset({"/api/v3/order", "/fapi/v1/order", "/api/v3/openOrders"})
_HANG_POLL_SECONDS = 0.05
_BANS = frozenset({418, 429})
_encode = msgspec.json.Encoder(decimal_format="string").encode


class Server:
    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._sockets = Sockets(exchange)

    def application(self) -> web.Application:
        app = web.Application(client_max_size=_BODY_MAX_BYTES)
        app.router.add_post("/control/{name}", self._control)
        for path in self._sockets.paths:
            app.router.add_get(path, self._socket)
        app.router.add_route("*", "/{path:.*}", self._rest)

        async def cut(_: web.Application) -> None:
            self._sockets.cut("*")

        app.on_shutdown.append(cut)
        return app

    async def _control(self, request: web.Request) -> web.Response:
        try:
            body = msgspec.json.decode(await request.read() or b"{}")
            answer = await control.answer(
                self._exchange, self._sockets, request.match_info["name"], body
            )
        except (ApiError, KeyError, ValueError, msgspec.MsgspecError) as error:
            return web.Response(status=400, text=f"{type(error).__name__}: {error}")
        return _json(answer)

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        if self._exchange.faults.is_down:
            return _cut(request)
        return await self._sockets.serve(request)

    async def _rest(self, request: web.Request) -> web.StreamResponse:
        exchange = self._exchange
        named = f"{request.method} {request.path}"
        exchange.requests[named] += 1
        if exchange.faults.is_down:
            return _cut(request)
        query, body = request.rel_url.raw_query_string, await request.text()
        parameters = calls.parse(query, body)
        account = exchange.accounts.get(request.headers.get("X-MBX-APIKEY", ""), NOBODY)
        client_id = self._client_order_id(request, parameters)
        rule = exchange.faults.on_request(named, account.name, client_id)
        outcome = "fault"
        try:
            if rule is not None:
                await _before(rule)
            outcome = ""
            answer = self._answer(request, calls.signed_payload(query, body), parameters)
            outcome = "accepted"
            response = _json(answer)
        except ApiError as error:
            outcome = outcome or str(error.code)
            response = _json({"code": error.code, "msg": error.text}, error.status)
            if error.status in _BANS and rule is not None:
                response.headers["Retry-After"] = str(int(rule.seconds))
        except _Cut:
            self._sockets.cut("*")
            return _cut(request)
        finally:
            if request.path in _LOGGED and request.method != "GET":
                self._log(request, account, client_id, outcome)
        return response if rule is None else await _after(rule, request, response)

    def _client_order_id(self, request: web.Request, parameters: dict[str, str]) -> str:
        """Of the order that the request is about, also where it names the order by its number."""
        if request.method == "POST":
            return parameters.get("newClientOrderId", "")
        number = parameters.get("orderId", "")
        route = ROUTES.get((request.method, request.path))
        if route is not None and number.isdigit():
            order = self._exchange.engines[route.market].orders.get(int(number))
            return "" if order is None else order.client_order_id
        return parameters.get("origClientOrderId", "")

    def _answer(self, request: web.Request, payload: str, parameters: dict[str, str]) -> Any:
        route = ROUTES.get((request.method, request.path))
        if route is None:
            raise ApiError(-5000, f"Path {request.path}, Method {request.method} is invalid", 404)
        call = self._call(route, request, payload, parameters)
        answer = route.answer(call)
        self._exchange.commit()
        return answer

    def _call(
        self, route: Route, request: web.Request, payload: str, parameters: dict[str, str]
    ) -> Call:
        now_ms, account = self._exchange.now_ms(), NOBODY
        if route.security != "none":
            account = calls.who(self._exchange.accounts, request.headers.get("X-MBX-APIKEY", ""))
        if route.security in {"read", "trade"}:
            calls.check(account, route.security, payload, parameters, now_ms)
        return Call(self._exchange, route.market, parameters, account, now_ms)

    def _log(self, request: web.Request, account: Account, client_id: str, outcome: str) -> None:
        self._exchange.log_request(
            RequestRow(
                at_ms=self._exchange.now_ms(),
                account=account.name,
                method=request.method,
                path=request.path,
                client_order_id=client_id,
                outcome=outcome,
            )
        )
        self._exchange.commit()


class _Cut(Exception):  # noqa: N818 - no fault of ours, but the script's
    """End the connection without an answer."""


async def _before(rule: FaultRule) -> None:
    match rule.kind:
        case "hold":
            await asyncio.sleep(rule.seconds)
        case "unavailable_before":
            raise ApiError(-1008, "Server is currently overloaded.", rule.status or 503)
        case "reject":
            raise ApiError(rule.code, rule.text, rule.status or 400)
        case "down":
            raise _Cut


async def _after(
    rule: FaultRule, request: web.Request, response: web.Response
) -> web.StreamResponse:
    match rule.kind:
        case "delay_ack":
            await asyncio.sleep(rule.seconds)
        case "lose_ack":
            return _cut(request)
        case "hang_ack":
            while request.transport is not None and not request.transport.is_closing():  # noqa: ASYNC110 - aiohttp tells no handler that its client left
                await asyncio.sleep(_HANG_POLL_SECONDS)
        case "unavailable_after":
            return _json({"code": rule.code, "msg": rule.text}, rule.status or 503)
    return response


def _cut(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def _json(answer: Any, status: int = 200) -> web.Response:
    return web.Response(body=_encode(answer), status=status, content_type="application/json")


async def serve(
    exchange: Exchange,
    host: str,
    port: int,
    on_ready: Callable[[int], None],
    *,
    stops_with_stdin: bool = False,
) -> None:
    """Serve until SIGTERM or SIGINT; calls `on_ready` with the port once it listens."""
    runner = web.AppRunner(Server(exchange).application(), access_log=None, shutdown_timeout=0.5)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if stops_with_stdin:
        loop.add_reader(sys.stdin.fileno(), stop.set)
    try:
        await runner.setup()
        site = web.TCPSite(runner, host, port, backlog=1024)
        await site.start()
        on_ready(runner.addresses[0][1])
        await stop.wait()
    finally:
        with suppress(ConnectionError):
            await runner.cleanup()
        exchange.close()
