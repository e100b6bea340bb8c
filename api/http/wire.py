"""The connection under a request: for what lasts, and must not wait for a dead client."""

import asyncio
import logging
import socket
from typing import Any, cast

from litestar.types import HTTPScope, Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode

SOCKET_PATHS = ("/ws/market-data", "/market-data/stream")
"""Elsewhere an upgrade is not heard: the answer is that of a plain request."""
SOCKET_MESSAGE_BYTES_MAX = 16 * 1024
_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"connection: close\r\ncontent-length: 0\r\n\r\n"
)
HEAD_SECONDS = 10.0
"""Until the head of a request must be whole, from its first byte or the connection's begin."""
_EXTENSION = "aviary.connection"


class Wire(HttpToolsProtocol):
    """uvicorn's own protocol, which also shows its transport to the app.

    It does not wait for ever for the head of a request: connections that say nothing would take
    the places of all others.
    """

    head_seconds = HEAD_SECONDS

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._head_timer: asyncio.TimerHandle | None = None
        self._await_head()

    def data_received(self, data: bytes) -> None:
        if self._head_timer is None and (self.cycle is None or self.cycle.response_complete):
            self._await_head()
        super().data_received(data)

    def on_headers_complete(self) -> None:
        self._stop_awaiting()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_awaiting()
        super().connection_lost(exc)

    def _await_head(self) -> None:
        self._head_timer = self.loop.call_later(self.head_seconds, self.transport.abort)

    def _stop_awaiting(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def on_message_begin(self) -> None:
        super().on_message_begin()
        extensions = cast("dict[str, Any]", self.scope.setdefault("extensions", {}))
        extensions[_EXTENSION] = {"transport": self.transport}

    def _should_upgrade_to_ws(self) -> bool:
        path = self.url.partition(b"?")[0].decode("latin-1").rstrip("/")
        return path in SOCKET_PATHS and super()._should_upgrade_to_ws()

    def _unsupported_upgrade_warning(self) -> None:
        """Nothing is wrong here: the request is answered as one that asked for no upgrade."""


class SocketWire(WebSocketsSansIOProtocol):
    """uvicorn's own protocol, which also shows its transport to the app.

    It keeps to itself what it would log of each handshake: a query may hold a password.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.logger = logging.getLogger("uvicorn.socket")
        self.logger.setLevel(logging.WARNING)
        self.conn.logger, self.conn.debug = self.logger, False

    def data_received(self, data: bytes) -> None:
        """Answer also a handshake that the parser gives up, which would be held open for ever."""
        super().data_received(data)
        if self.conn.handshake_exc is not None and not self.transport.is_closing():
            if not self.handshake_complete:
                self.transport.write(_TOO_LARGE)
            self.transport.close()

    def send_receive_event_to_app(self) -> None:
        """A text that is none is the client's fault: it is told so, and no traceback is logged."""
        if self.curr_msg_data_type == "text" and not self.close_sent:
            try:
                b"".join(self.frames).decode()
            except UnicodeDecodeError:
                self.conn.send_close(CloseCode.INVALID_DATA)
                self.handle_parser_exception()
                return
        super().send_receive_event_to_app()

    async def run_asgi(self) -> None:
        extensions = cast("dict[str, Any]", self.scope.setdefault("extensions", {}))
        extensions[_EXTENSION] = {"transport": self.transport}
        await super().run_asgi()


def limit_backlog(scope: Scope, bytes_max: int) -> None:
    """Let neither us nor our kernel hold more than about so much for a client that reads slowly."""
    transport = _transport(scope)
    transport.set_write_buffer_limits(high=bytes_max)
    if not transport.is_closing():
        wire = transport.get_extra_info("socket")
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, bytes_max)


def limit_silence(scope: Scope | HTTPScope, seconds: float) -> None:
    """Let the kernel give up a peer that has acknowledged nothing for so long; Linux only."""
    transport = _transport(scope)
    if hasattr(socket, "TCP_USER_TIMEOUT") and not transport.is_closing():
        wire = transport.get_extra_info("socket")
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(seconds * 1000))


def abort(scope: Scope | HTTPScope, in_seconds: float = 0.0) -> None:
    """Cut the connection; what the client has not taken by then is dropped."""
    asyncio.get_running_loop().call_later(in_seconds, _transport(scope).abort)


def _transport(scope: Scope | HTTPScope) -> Any:
    extensions = cast("dict[str, Any]", scope["extensions"])
    return extensions[_EXTENSION]["transport"]
