"""What every request passes before its handler: who is calling, what it may, how often.

Each route says its scope in `opt`; one that says nothing needs `admin`.
"""

import time
from typing import Any, cast

from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from api.auth import Authenticator
from api.errors import Failure
from api.http import header
from api.metrics import Metrics
from api.throttle import Buckets, retry_after

SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
)
CLOSED = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
NO_STORE = (b"cache-control", b"no-store")


class Gate:
    """ASGI middleware of every route; raises Failure 401, 403 or 429."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"]["started_at"] = time.perf_counter()
        opt = scope["route_handler"].opt
        needed = opt.get("scope", "admin")
        if needed is not None and scope.get("method") != "OPTIONS":
            state = scope["litestar_app"].state
            auth: Authenticator = state.auth
            client = scope["client"]
            caller = await auth.caller(header(scope, b"authorization"), client[0] if client else "")
            if needed not in caller.scopes:
                raise Failure(403, f"This needs the scope {needed!r}, which {caller.name} has not.")
            if not opt.get("is_never_throttled"):
                buckets: Buckets = state.buckets
                if wait_seconds := buckets.take(caller.name):
                    text = "Too many requests. Cancellations are never held back."
                    raise Failure(429, text, headers=retry_after(wait_seconds))
            scope["user"] = caller
        await self._app(scope, receive, send)


async def before_send(message: Message, scope: Scope) -> None:
    """Add security headers to each answer, and count it."""
    if message["type"] != "http.response.start":
        return
    handler = cast("Any", scope).get("route_handler")
    headers = list(message["headers"])
    headers += SECURITY_HEADERS
    if handler is None or not handler.opt.get("is_page"):
        headers += (CLOSED, NO_STORE)
    message["headers"] = headers
    metrics: Metrics = scope["litestar_app"].state.metrics
    started_at = scope["state"].get("started_at") if "state" in scope else None
    path = scope.get("path_template", "unknown") if handler is not None else "unknown"
    metrics.count(cast("HTTPScope", scope)["method"], path, message["status"], started_at)
