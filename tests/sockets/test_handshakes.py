"""Handshakes that cannot be: each is answered and ended, none is held open."""

import contextlib
import socket

import pytest

from tests.sockets.served import TOKEN, Served

pytestmark = pytest.mark.postgres
_UPGRADE = "Connection: Upgrade\r\nUpgrade: websocket\r\n"
_KEY = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
_PATH = f"/ws/market-data?token={TOKEN}"


def answer(served: Served, first: str, headers: str) -> str:
    """All that comes back until the server ends the connection."""
    with socket.create_connection(("127.0.0.1", served.port), timeout=60) as wire:
        wire.sendall(f"{first}\r\nHost: here\r\n{headers}\r\n".encode())
        said = b""
        with contextlib.suppress(ConnectionResetError):
            while part := wire.recv(65536):
                said += part
    return said.decode("latin-1")


@pytest.mark.parametrize(
    ("first", "headers", "status"),
    [
        (f"GET {_PATH} HTTP/1.1", _UPGRADE, 400),
        (f"GET {_PATH} HTTP/1.1", _UPGRADE + _KEY.replace("13", "8"), 400),
        (f"POST {_PATH} HTTP/1.1", "Content-Length: 0\r\n" + _UPGRADE + _KEY, 405),
        (f"GET {_PATH}&x={'a' * 60_000} HTTP/1.1", _UPGRADE + _KEY, 431),
        (f"GET {_PATH} HTTP/1.1", f"A: {'a' * 20_000}\r\n" + _UPGRADE + _KEY, 431),
        (f"GET {_PATH} HTTP/1.1", "A: a\r\n" * 200 + _UPGRADE + _KEY, 431),
        (f"GET {_PATH} HTTP/1.1", "Connection: close\r\n", 405),
        ("GET /ws/executors HTTP/1.1", "Connection: close\r\n", 404),
    ],
)
def test_it_is_answered_and_ended(served: Served, first: str, headers: str, status: int) -> None:
    assert answer(served, first, headers).startswith(f"HTTP/1.1 {status} ")


def test_a_stranger_who_stays_is_cut(served: Served) -> None:
    """It hears why, and that it must close; it need not answer for the connection to end."""
    said = answer(served, "GET /ws/market-data HTTP/1.1", _UPGRADE + _KEY)
    assert said.startswith("HTTP/1.1 101 ")
    assert "Authentication failed" in said
