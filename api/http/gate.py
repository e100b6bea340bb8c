"""What every request passes before its handler: who is calling, what it may, how often.

Each route says its scope in `opt`; one that says nothing needs `admin`.
"""

import time

from litestar.types import ASGIApp, Receive, Scope, Send

from api.errors import Failure
from api.http.auth import Authenticator
from api.http.body_and_headers import header
from api.http.throttle import Buckets, retry_after
from api.metrics import Metrics
from api.origins import is_strangers

_READING = frozenset({"GET", "HEAD"})


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
            client, given = scope["client"], header(scope, b"authorization")
            if _is_forged(scope, given):
                text = "A page of another origin may not do this: see CORS_ALLOW_ORIGINS."
                raise Failure(403, text, "other_origin")
            caller = await auth.caller(given, client[0] if client else "")
            if needed not in caller.scopes:
                raise Failure(403, f"This needs the scope {needed!r}, which {caller.name} has not.")
            if not opt.get("is_never_throttled"):
                buckets: Buckets = state.buckets
                if wait_seconds := buckets.take(caller.name):
                    text = "Too many requests. Cancellations are never held back."
                    raise Failure(429, text, headers=retry_after(wait_seconds))
            scope["user"] = caller
        await self._app(scope, receive, send)
        status = scope["state"].get("status")
        if status is not None:  # Failures are counted where they are answered.
            metrics: Metrics = scope["litestar_app"].state.metrics
            metrics.count(scope, status)


def _is_forged(scope: Scope, authorization: bytes | None) -> bool:
    """A browser may have added the password, and does not ask before it sends a plain form."""
    if scope.get("method") in _READING or authorization is None:
        return False
    if authorization[:7].lower() == b"bearer ":
        return False  # No browser adds these.
    return is_strangers(scope, scope["litestar_app"].state.deps.settings)
