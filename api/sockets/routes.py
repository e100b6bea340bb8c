"""`/ws/market-data` and `/market-data/stream`: live market data over WebSockets.

A connection is accepted before it is let in: a refusal is a frame, then close code 4001.
"""

from typing import Any

import msgspec
import psycopg
from litestar import WebSocket, websocket
from litestar.types import Scope

from api.deps import Caller, deps_of
from api.errors import Failure
from api.http import wire
from api.market import frames
from api.market.subscriptions import Subscribe
from api.sockets.login import login, query
from api.sockets.open_sockets import OpenSockets
from api.sockets.outlet import BACKLOG_BYTES, Outlet, Stalled
from api.sockets.session import CLOSE_SECONDS, SCOPE, Session

_LOGIN_FAILED, _TRY_LATER = 4001, 1013
_LINGER_SECONDS = 2.0


@websocket(["/ws/market-data", "/market-data/stream"], opt={"scope": None})
async def market_data(socket: WebSocket[Any, Any, Any]) -> None:
    """The gate lets everybody through: who it is, is asked here, after the handshake."""
    deps = deps_of(socket)
    scope: Scope = socket.scope
    await socket.accept()
    wire.limit_backlog(scope, BACKLOG_BYTES)
    wire.limit_silence(scope, deps.sockets.stall_seconds)
    outlet = Outlet(scope, socket.send, deps.sockets.stall_seconds)
    try:
        caller = await login(scope, deps.settings, socket.app.state.auth, SCOPE)
        first = _first(scope)
    except Failure as failure:
        detail = failure.body["detail"]
        await _refuse(deps.sockets, outlet, _LOGIN_FAILED, "Authentication failed", detail)
        return
    except psycopg.Error:
        text = "The store does not answer, so nobody can be let in. Try again shortly."
        await _refuse(deps.sockets, outlet, _TRY_LATER, text)
        return
    if (full := deps.sockets.full(caller.name)) is not None:
        await _refuse(deps.sockets, outlet, _TRY_LATER, full)
        return
    await _serve(deps.sockets, socket, outlet, caller, first)


async def _serve(
    sockets: OpenSockets,
    socket: WebSocket[Any, Any, Any],
    outlet: Outlet,
    caller: Caller,
    first: Subscribe | str | None,
) -> None:
    deps = deps_of(socket)
    auth = socket.app.state.auth
    session = Session(socket.scope, socket.receive, outlet, deps, auth)
    sockets.add(session, caller.name)
    try:
        await session.run(first)
    except (Stalled, OSError):
        pass  # The client does not listen any more: nobody is there to be told.
    finally:
        sockets.discard(session)


def _first(scope: Scope) -> Subscribe | str | None:
    """What the query asks to subscribe to, or why that cannot be."""
    asked = query(scope)
    if not asked.keys() & {"type", "connector", "trading_pair"}:
        return None
    try:
        return msgspec.convert(asked, Subscribe, strict=False)
    except msgspec.ValidationError as error:
        return f"The query cannot be subscribed to: {error}."


async def _refuse(
    sockets: OpenSockets, outlet: Outlet, code: int, message: str, detail: object = None
) -> None:
    sockets.refused += 1
    said = frames.frame("error", message=message, **({} if detail is None else {"detail": detail}))
    try:
        await outlet.answer(said)
        await outlet.close(code, message, CLOSE_SECONDS)
        wire.abort(outlet.scope, _LINGER_SECONDS)  # A stranger need not answer, and will not stay.
    except (Stalled, OSError):
        pass  # It left before it heard that it may not come in.
