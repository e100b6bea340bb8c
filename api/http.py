"""Requests without a framework's comfort: every order passes here."""

from typing import Any

from litestar import Request
from litestar.types import HTTPScope, Scope

from api.errors import Failure


def header(scope: Scope | HTTPScope, name: bytes) -> bytes | None:
    """The first header of that name, which is given in lower case."""
    for key, value in scope["headers"]:
        if key == name:
            return value
    return None


async def read_body(request: Request[Any, Any, Any], bytes_max: int) -> bytes:
    """The whole body; raises Failure 413 as soon as it is known to be too long."""
    length = header(request.scope, b"content-length")
    if length is not None and length.isdigit() and int(length) > bytes_max:
        raise _too_large()
    body: bytes = b""
    while True:
        message: Any = await request.receive()
        if message["type"] != "http.request":
            raise Failure(400, "The connection was closed before the body was whole.")
        body += message.get("body", b"")
        if len(body) > bytes_max:
            raise _too_large()
        if not message.get("more_body"):
            return body


def _too_large() -> Failure:
    return Failure(413, "Request Entity Too Large")
