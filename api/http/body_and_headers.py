"""Requests without a framework's comfort: every order passes here."""

import asyncio
from typing import Any

from litestar import Request
from litestar.types import HTTPScope, Scope

from api.deps import deps_of
from api.errors import Failure

BODY_SECONDS = 10.0


def header(scope: Scope | HTTPScope, name: bytes) -> bytes | None:
    """The first header of that name, which is given in lower case."""
    for key, value in scope["headers"]:
        if key == name:
            return value
    return None


def headers(scope: Scope | HTTPScope, name: bytes) -> list[bytes]:
    """All headers of that name, which is given in lower case."""
    return [value for key, value in scope["headers"] if key == name]


async def read_body(request: Request[Any, Any, Any]) -> bytes:
    """The whole body; raises Failure 413 as soon as it is known to be too long, 408 after 10 s."""
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await _read(request, deps_of(request).settings.body_bytes_max)
    except TimeoutError:
        text = f"The body was not whole after {BODY_SECONDS:.0f} s. Nothing was done."
        raise Failure(408, text, headers={"Connection": "close"}) from None


async def _read(request: Request[Any, Any, Any], bytes_max: int) -> bytes:
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
