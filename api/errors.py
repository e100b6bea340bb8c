"""Every answer that is no success, in the shapes of the wire contract."""

import logging
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

import msgspec
import psycopg
from litestar import Request, Response
from litestar.exceptions import HTTPException

from adapters.lake.attach import LakeUnavailable
from api.metrics import Metrics
from api.reply import CLOSED, JSON
from commands.codec import LogIsNewer
from commands.request import KeyReused, Overloaded
from domain.log import Receipt, StoreUnavailable
from domain.refusal import Refused

_log = logging.getLogger(__name__)
RETRY_SOON = {"Retry-After": "1"}
_HALTED = "AV503"
"""What `read_position_of` raises in the database."""

_STATUS_OF_CODE = {
    "unknown_account": 404,
    "unknown_connector": 404,
    "unknown_order": 404,
    "unknown_key": 404,
    "order_closed": 409,
    "order_exists": 409,
    "outcome_known": 409,
    "key_exists": 409,
    "kill_switch": 409,
    "price_unknown": 409,
    "open_orders_limit": 409,
    "orders_per_minute_limit": 429,
    "too_many_open_orders": 429,
    "close_in_flight": 409,
    "no_position": 404,
    "account_busy": 409,
}
"""The status of a refusal; every other code is a 400."""


class Failure(Exception):  # noqa: N818 - an answer, not a fault
    """Ends a request with this status and body."""

    def __init__(
        self,
        status: int,
        detail: object,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(str(detail))
        self.status = status
        self.body = {"detail": detail} if code is None else {"detail": detail, "code": code}
        self.headers = dict(headers or {})


def refusal(refused: Receipt | Refused) -> Failure:
    """The answer to a command that was refused: now, in a trial run, or when it first came."""
    code = refused.code or "refused"
    return Failure(_STATUS_OF_CODE.get(code, 400), refused.text or code, code)


def invalid(kind: str, loc: tuple[str, ...], message: str, value: object = None) -> Failure:
    """One 422 entry as FastAPI words it."""
    return Failure(422, [{"type": kind, "loc": list(loc), "msg": message, "input": value}])


def of_command(error: Exception) -> Failure | None:
    """The answer to what a committer raises; None for what nobody expected."""
    match error:
        case KeyReused():
            return Failure(422, str(error), "key_reused")
        case Overloaded():
            return Failure(503, str(error), "overloaded", RETRY_SOON)
        case LogIsNewer():
            return Failure(503, str(error), "log_is_newer", RETRY_SOON)
        case StoreUnavailable():
            _log.warning("A command was not stored: %s", error)
            return Failure(
                503,
                "The log cannot be written now. The same request may be sent again; with the same "
                "Idempotency-Key it is done at most once.",
                "store_unavailable",
                RETRY_SOON,
            )
    return None


def _failure(request: Request[Any, Any, Any], error: Failure) -> Response[bytes]:
    metrics: Metrics = request.app.state.metrics
    metrics.count(request.scope, error.status)
    return Response(
        msgspec.json.encode(error.body),
        status_code=error.status,
        headers={k.decode(): v.decode() for k, v in CLOSED} | error.headers,
        media_type=JSON,
    )


def _http(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    """What the framework itself refuses: unknown routes, methods, oversized bodies."""
    status = error.status_code
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return _unexpected(request, error)
    headers = {k: v for k, v in (error.headers or {}).items() if k.lower() == "allow"}
    return _failure(request, Failure(status, HTTPStatus(status).phrase, None, headers))


def _store_away(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    if isinstance(error, psycopg.Error) and error.sqlstate == _HALTED:
        return _failure(request, Failure(503, _halted(error), "read_model_halted"))
    _log.warning("The store did not answer a read: %s", error)
    detail = "The store does not answer. Nothing was read; try again shortly."
    return _failure(request, Failure(503, detail, "store_unavailable", RETRY_SOON))


def _lake_away(request: Request[Any, Any, Any], error: LakeUnavailable) -> Response[bytes]:
    _log.warning("The lake was not read: %s", error)
    return _failure(request, Failure(503, str(error), "lake_unavailable", RETRY_SOON))


def _halted(error: psycopg.Error) -> str:
    return (
        f"The read model {error.diag.message_primary}. Nothing is answered from it; all others go "
        "on. Once the cause is mended: `aviary parked retry`."
    )


def _newer(request: Request[Any, Any, Any], error: LogIsNewer) -> Response[bytes]:
    return _failure(request, Failure(503, str(error), "log_is_newer", RETRY_SOON))


def _unexpected(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    _log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return _failure(request, Failure(500, "Internal error: it was logged and can be reported."))


HANDLERS: Mapping[type[Exception] | int, Callable[[Any, Any], Response[bytes]]] = {
    Failure: _failure,
    HTTPException: _http,
    LakeUnavailable: _lake_away,
    LogIsNewer: _newer,
    StoreUnavailable: _store_away,
    psycopg.Error: _store_away,
    Exception: _unexpected,
}
