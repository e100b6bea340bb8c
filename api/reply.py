"""Answers that were encoded already, with the headers that every answer carries."""

from collections.abc import Mapping

from litestar.types import Receive, Scope, Send

JSON = "application/json"
RawHeaders = tuple[tuple[bytes, bytes], ...]


OPEN: RawHeaders = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
)
CLOSED: RawHeaders = (
    *OPEN,
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)


class Reply:
    """An ASGI answer with a body of bytes; a page says itself what it may load and be kept."""

    __slots__ = ("body", "headers", "is_page", "media_type", "status")

    def __init__(
        self,
        body: bytes,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        media_type: str = JSON,
        *,
        is_page: bool = False,
    ) -> None:
        self.body = body
        self.status = status
        self.headers = headers
        self.media_type = media_type
        self.is_page = is_page

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        headers = [
            (b"content-type", self.media_type.encode()),
            (b"content-length", b"%d" % len(self.body)),
            *(OPEN if self.is_page else CLOSED),
        ]
        if self.headers is not None:
            headers += [(k.lower().encode(), v.encode()) for k, v in self.headers.items()]
        scope["state"]["status"] = self.status
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": False})
