"""What a page of a stranger, or a stranger who says nothing, can do to us: nothing."""

import socket
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from api.http.wire import Wire
from tests.api.live import ORDER, Live, running
from tests.postgres_fixture import Database

pytestmark = pytest.mark.postgres

SECONDS = 30.0
STRANGER = {"Origin": "http://evil.example", "Content-Type": "text/plain"}


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://[", "http://"])
def test_a_stranger_s_page_cannot_use_the_password_that_a_browser_remembers(
    live: Live, origin: str
) -> None:
    answer = live.place(headers=STRANGER | {"Origin": origin})
    assert answer.status_code == 403
    assert answer.json()["code"] == "other_origin"
    switch = live.client.post("/trading/kill-switch", headers=STRANGER, json={"engaged": True})
    assert switch.status_code == 403
    assert live.project() < 5  # The master account and nothing else.


def test_our_own_pages_and_those_allowed_write(
    live: Live, database: Callable[..., Database], seeded: Database, tmp_path: Path
) -> None:
    assert live.place(headers={"Origin": live.url}).status_code == 201
    behind_a_proxy = {"Origin": "https://birds.example", "Sec-Fetch-Site": "same-origin"}
    assert live.place(headers=behind_a_proxy).status_code == 201
    named = ("http://evil.example",)
    with running(database(template=seeded), tmp_path, cors_allow_origins=named) as other:
        assert other.place(headers=STRANGER).status_code == 201


def test_a_key_that_a_page_holds_is_its_own(live: Live) -> None:
    made = live.client.post("/keys", json={"name": "page", "scopes": ["trade"]})
    token = made.json()["token"]
    live.project()
    with live.connect(token=token) as client:
        answer = client.post("/trading/orders", json=dict(ORDER), headers=STRANGER)
    assert answer.status_code == 201


@pytest.mark.parametrize("begun", [b"", b"POST /trading/orders HTTP/1.1\r\nHost: x\r\nX-"])
def test_a_connection_that_never_asks_is_cut(
    live: Live, monkeypatch: pytest.MonkeyPatch, begun: bytes
) -> None:
    monkeypatch.setattr(Wire, "head_seconds", 0.2)
    with _connected(live) as client:
        assert _is_cut(client, begun)


def test_a_connection_that_has_asked_once_is_cut_when_it_dawdles(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    with _connected(live) as client:
        _ask(client)
        monkeypatch.setattr(Wire, "head_seconds", 0.2)
        assert _is_cut(client, b"\r\n")


def test_a_connection_that_rests_between_questions_is_not_cut(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    with _connected(live) as client:
        _ask(client)  # The first one's time begins with the connection.
        monkeypatch.setattr(Wire, "head_seconds", 0.2)
        _ask(client)
        client.settimeout(0.6)
        with pytest.raises(TimeoutError):
            client.recv(1)
        client.settimeout(SECONDS)
        _ask(client)


def _connected(live: Live) -> socket.socket:
    url = httpx.URL(live.url)
    return socket.create_connection((url.host, url.port), timeout=SECONDS)


def _ask(client: socket.socket) -> None:
    client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    answer = b""
    while not answer.endswith(b"}"):  # Head and body may come in two pieces.
        piece = client.recv(65536)
        assert piece, answer
        answer += piece
    assert answer.startswith(b"HTTP/1.1 200 ")


def _is_cut(client: socket.socket, begun: bytes) -> bool:
    try:
        client.sendall(begun)
        while client.recv(65536):
            pass
    except (ConnectionResetError, BrokenPipeError):
        return True
    return True
