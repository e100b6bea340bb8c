"""Requests and answers without a framework's comfort: every order passes here.

An answer is bytes that were encoded already; a body is read once, up to the limit.
"""

from collections.abc import Mapping
from typing import Any

from litestar import Request
from litestar.types import HTTPScope, Receive, Scope, Send

from api.errors import Failure

JSON = "application/json"


class Reply:
    """An ASGI answer with a body of bytes."""

    __slots__ = ("body", "headers", "media_type", "status")

    def __init__(
        self,
        body: bytes,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        media_type: str = JSON,
    ) -> None:
        self.body = body
        self.status = status
        self.headers = headers
        self.media_type = media_type

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        headers = [
            (b"content-type", self.media_type.encode()),
            (b"content-length", b"%d" % len(self.body)),
        ]
        if self.headers is not None:
            headers += [(k.lower().encode(), v.encode()) for k, v in self.headers.items()]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": False})


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
