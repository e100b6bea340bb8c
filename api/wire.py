"""The connection under a request: for answers that last, and must not wait for a dead client."""

import asyncio
import socket
from typing import Any, cast

from litestar.types import HTTPScope, Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_EXTENSION = "aviary.connection"


class Wire(HttpToolsProtocol):
    """uvicorn's own protocol, which also shows its transport to the app."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        extensions = cast("dict[str, Any]", self.scope.setdefault("extensions", {}))
        extensions[_EXTENSION] = {"transport": self.transport}


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
