"""When a stream is refused, ended or cut, and that it holds up nobody else."""

import base64
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.audit import log_tail, stream
from api.http import wire
from tests.api.following import cut_listener, following, listeners
from tests.api.live import PASSWORD, USER, Live, running
from tests.faults.processes import until
from tests.postgres_fixture import Database

pytestmark = pytest.mark.postgres
BASIC = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


@contextmanager
def deaf(url: str, after: int) -> Iterator[socket.socket]:
    """A client with next to no room for what it is sent, that does not read."""
    address = httpx.URL(url)
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        client.settimeout(60)
        client.connect((address.host, address.port))
        client.sendall(
            f"GET /audit/stream?after={after} HTTP/1.1\r\nHost: x\r\n"
            f"Authorization: Basic {BASIC}\r\n\r\n".encode()
        )
        assert client.recv(12) == b"HTTP/1.1 200"
        yield client


def fill(live: Live, events: int) -> None:
    """Make the log long at once: what cannot be sealed can still be read."""
    live.sql(
        """insert into events
        select 'order-filler', g, 'order.placed.v1', state, %s + g, metadata, seal, actor,
            correlation_id, recorded_at_us
        from generate_series(1, %s) g,
            (select * from events where topic = 'order.placed.v1' limit 1) e""",
        live.head(),
        events,
    )
    live.sql(
        """update log_head set position = position + %s""",
        events,
    )
    live.sql("select pg_notify('aviary_log', '')")


def test_followers_have_a_limit(
    database: Callable[..., Database], seeded: Database, tmp_path: Path
) -> None:
    with running(database(template=seeded), tmp_path, followers_max=1) as live:
        with following(live) as first:
            first.next()
            with following(live) as second:
                assert second.answer.status_code == 503
                assert second.answer.json()["code"] == "too_many_followers"
                assert int(second.answer.headers["Retry-After"]) > 0
        until(lambda: live.deps.tail.followers == 0, "the server has seen that the first has left")
        with following(live) as third:
            assert third.answer.status_code == 200


def test_one_key_leaves_half_of_the_places_to_others(
    database: Callable[..., Database], seeded: Database, tmp_path: Path
) -> None:
    with running(database(template=seeded), tmp_path, followers_max=3) as live:
        token = live.client.post("/keys", json={"name": "bot", "scopes": ["read"]}).json()["token"]
        live.project()
        with live.connect(token=token) as bot, following(live, client=bot) as first:
            first.next()
            with following(live, client=bot) as second:
                second.next()
                with following(live, client=bot) as third:
                    assert third.answer.status_code == 429
                    assert third.answer.json()["code"] == "too_many_followers"
                    assert "2 of 3 places are key:" in third.answer.text
                with following(live) as other:
                    assert other.answer.status_code == 200
        until(lambda: not live.deps.tail.by_caller, "all have left")


def test_a_revoked_key_follows_no_longer(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "HEARTBEAT_SECONDS", 0.1)
    body = {"name": "bot", "scopes": ["read"]}
    token = live.client.post("/keys", json=body).json()["token"]
    live.project()
    with live.connect(token=token) as client, following(live, client=client) as stream_:
        assert stream_.next() is not None
        live.placed()
        assert stream_.until(live.head()) == [live.head()]
        live.client.delete(f"/keys/{token.split('_')[1]}")
        while stream_.next() is not None:
            pass
        with following(live, client=client) as again:
            assert again.answer.status_code == 401


def test_a_key_that_may_not_read_may_not_follow(live: Live) -> None:
    body = {"name": "bot", "scopes": ["trade"]}
    token = live.client.post("/keys", json=body).json()["token"]
    live.project()
    with live.connect(token=token) as client, following(live, client=client) as stream_:
        assert stream_.answer.status_code == 403


def test_a_client_that_takes_nothing_is_cut_and_others_get_all(
    live: Live, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(stream, "SEND_SECONDS", 5.0)  # The other one has to keep up with it.
    live.placed()
    start = live.head()
    with deaf(live.url, start) as client, following(live, after=start) as other:
        fill(live, 20_000)
        assert other.until(live.head()) == list(range(start + 1, live.head() + 1))
        until(lambda: live.deps.tail.followers == 1, "the deaf one is cut")
        received = sum(map(len, iter(lambda: read(client), b"")))
    assert received < 20_000 * 500, "the rest was dropped"
    assert "was cut off at position" in caplog.text
    with following(live, last_seen=start + 100, before=start + 103) as again:
        assert [frame.id for frame in again.events()] == [start + 101, start + 102]


def read(client: socket.socket) -> bytes:
    try:
        return client.recv(65536)
    except ConnectionResetError:
        return b""


def waiting(transports: list[Any]) -> int:
    return max(int(transport.get_write_buffer_size()) for transport in transports)


def test_what_a_client_does_not_take_waits_in_the_log_and_not_in_memory(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_tail, "RING_EVENTS", 100)
    transports: list[Any] = []
    limit = wire.limit_silence

    def seen(scope: Any, seconds: float) -> None:
        transports.append(scope["extensions"]["aviary.connection"]["transport"])
        limit(scope, seconds)

    monkeypatch.setattr(wire, "limit_silence", seen)
    live.placed()
    start = live.head()
    with deaf(live.url, start), following(live, after=start) as other:
        fill(live, 20_000)
        other.until(live.head())
        until(lambda: waiting(transports) > 0, "the deaf one's share waits")
        assert waiting(transports) < 500_000
        assert len(live.deps.tail._ring) == 100  # noqa: SLF001 - the one thing that grows


def test_a_restored_log_sends_its_followers_away(live: Live) -> None:
    live.placed()
    with following(live) as stream_:
        assert stream_.next() is not None
        live.placed()
        assert stream_.until(live.head()) == [live.head()]
        live.sql("update events set seal = sha256(seal) where notification_id = %s", live.head())
        assert cut_listener(live) == 1
        assert stream_.next() is None


def test_nobody_listens_when_nobody_follows(live: Live) -> None:
    with following(live, after=0) as stream_:
        stream_.until(live.head())
        assert len(live.deps.tail._tasks) == 2  # noqa: SLF001 - that is the promise
    until(lambda: listeners(live) == 0, "nobody listens")
    assert live.deps.tail._tasks == []  # noqa: SLF001
    assert live.deps.tail._ring == []  # noqa: SLF001


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_streams_do_not_hold_up_the_end_of_the_server(
    live: Live, tmp_path: Path, sign: signal.Signals
) -> None:
    ready = tmp_path / "ready"
    environment = {
        **os.environ,
        "DATABASE_URL": live.database.app_dsn,
        "AVIARY_DATA_DIR": str(tmp_path),
        "AVIARY_PORT": "0",
        "AVIARY_PAPER_URL": "http://127.0.0.1:1",
        "USERNAME": USER,
        "PASSWORD": PASSWORD,
    }
    argv = [sys.executable, "-m", "aviary", "api", "--ready-file", str(ready)]
    with subprocess.Popen(argv, env=environment, stderr=subprocess.PIPE, text=True) as server:
        try:
            until(lambda: ready.exists() or server.poll() is not None, "the API listens", 60)
            assert server.poll() is None
            url = f"http://127.0.0.1:{ready.read_text()}"
            live.placed()
            head = live.head()
            fill(live, 20_000)
            with (
                deaf(url, head),
                httpx.Client(base_url=url, auth=(USER, PASSWORD), timeout=60) as client,
                following(live, client=client) as stream_,
            ):
                assert stream_.next() is not None
                ended = threading.Event()

                def end() -> None:
                    while stream_.next() is not None:
                        pass
                    ended.set()

                thread = threading.Thread(target=end)
                thread.start()
                server.send_signal(sign)
                _, said = server.communicate(timeout=25)  # Uvicorn itself would wait for 30 s.
                thread.join()
                assert ended.is_set()
        finally:
            server.kill()
    assert "Traceback" not in said, said
    assert "graceful shutdown exceeded" not in said
