"""The server's edges: bad input, the token, limits, slow and stale clients."""

import asyncio
import contextlib
import gzip
import json
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import psutil
import pytest

from adapters.venues.paper.client import PaperVenue
from adapters.venues.port import StreamConnected, UserUpdate, VenueRefused, VenueUnreachable
from tests.venues.paper_process import PAIR, PaperProcess, order, running

TOKEN = "let-me-in"
HEADERS = {"X-Paper-Account": "ann", "X-Paper-Token": TOKEN}
GOOD = {
    "client_order_id": "a",
    "pair": PAIR,
    "side": "BUY",
    "order_type": "LIMIT",
    "quantity": "10",
    "price": "1",
    "expires_at_us": 2**53,
}


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PaperProcess]:
    folder = tmp_path_factory.mktemp("server")
    (folder / "token").write_text(f"{TOKEN}\n")
    with running(folder, "--token-file", str(folder / "token")) as started:
        yield started


def call(
    process: PaperProcess,
    method: str,
    path: str,
    body: bytes | None = None,
    headers: dict[str, str] = HEADERS,
) -> tuple[int, dict[str, str]]:
    async def once() -> tuple[int, dict[str, str]]:
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.request(method, process.url + path, data=body) as response,
        ):
            return response.status, json.loads(await response.read())

    return asyncio.run(once())


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[" * 50_000,
        b"\xff\xfe",
        b" " * 70_000,
        *(
            json.dumps(GOOD | change).encode()
            for change in (
                {"quantity": "NaN"},
                {"quantity": "1e999999"},
                {"quantity": "-1"},
                {"quantity": 10},
                {"quantity": "9" * 40},
                {"price": "Infinity"},
                {"price": "0.0000000000000000000001"},
                {"client_order_id": "with space"},
                {"client_order_id": "newline\n"},
                {"client_order_id": "x" * 37},
                {"expires_at_us": -1},
                {"expires_at_us": 2**63},
                {"side": "buy"},
                {"pair": "EUR/USD"},
            )
        ),
    ],
)
def test_bad_orders_answer_400_with_a_code(process: PaperProcess, body: bytes) -> None:
    status, answer = call(process, "POST", "/orders", body)
    assert status == 400
    assert set(answer) == {"code", "text"}


def test_a_body_that_only_claims_to_be_gzip_is_400(process: PaperProcess) -> None:
    headers = HEADERS | {"Content-Encoding": "gzip"}
    status, answer = call(process, "POST", "/orders", b"no gzip", headers)
    assert (status, set(answer)) == (400, {"code", "text"})
    bomb = gzip.compress(b" " * 10_000_000)
    assert call(process, "POST", "/orders", bomb, headers)[0] == 400


@pytest.mark.parametrize(
    "path",
    [
        "/order",
        "/order?pair=EUR-USD",
        "/trades?since=-1",
        "/trades?since=99999999999999999999999",
        "/trades?limit=100000",
        "/trades?limit=x",
        "/book?pair=EUR-USD&depth=0",
        "/ticker?pair=XXX-YYY",
        "/candles?pair=EUR-USD&interval=7m",
        "/candles?pair=EUR-USD&interval=1h&start_us=-5",
    ],
)
def test_bad_questions_answer_400_with_a_code(process: PaperProcess, path: str) -> None:
    status, answer = call(process, "GET", path)
    assert status == 400
    assert set(answer) == {"code", "text"}


def test_what_is_not_there_answers_404_and_the_wrong_method_405(process: PaperProcess) -> None:
    assert call(process, "GET", "/nothing")[0] == 404
    assert call(process, "PUT", "/orders", b"")[0] == 405


def test_an_account_needs_a_plain_name(process: PaperProcess) -> None:
    for name in ("", "*house*", "x" * 65):
        status, answer = call(
            process, "GET", "/balances", None, HEADERS | {"X-Paper-Account": name}
        )
        assert (status, answer["code"]) == (400, "bad_account")


def test_without_the_token_nothing_is_answered(process: PaperProcess) -> None:
    async def scenario() -> None:
        for token, code in ((None, "unauthorised"), ("wrong", "unauthorised")):
            venue = PaperVenue(process.url, "ann", token=token)
            with pytest.raises(VenueRefused) as caught:
                await venue.balances()
            assert caught.value.code == code
            with pytest.raises(VenueRefused):
                await anext(venue.updates())
            await venue.close()

    asyncio.run(scenario())
    assert call(process, "GET", "/test/ledger", None, {"X-Paper-Account": "ann"})[0] == 401


def test_test_routes_are_only_there_in_test_mode(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    command = [sys.executable, "-m", "adapters.venues.paper", "--file", str(tmp_path / "v.sqlite")]
    child = subprocess.Popen([*command, "--ready-file", str(ready)])
    try:
        started = PaperProcess(tmp_path)
        deadline = time.monotonic() + 60
        while not ready.exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        started.url = f"http://127.0.0.1:{ready.read_text()}"
        assert call(started, "GET", "/test/ledger")[0] == 404
        assert call(started, "POST", "/test/faults", b"[]")[0] == 404
    finally:
        child.terminate()
        assert child.wait(30) == 0


def test_it_listens_on_loopback_only(process: PaperProcess) -> None:
    port = int(process.url.rpartition(":")[2])
    bound = {
        connection.laddr.ip
        for connection in psutil.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
        and connection.laddr
        and connection.laddr.port == port
    }
    assert bound == {"127.0.0.1"}


def test_a_stream_that_is_not_read_is_cut_off(process: PaperProcess) -> None:
    async def read(stream: AsyncIterator[UserUpdate], count: int) -> None:
        for _ in range(count):
            assert await anext(stream) != StreamConnected()

    async def scenario() -> None:
        venue = PaperVenue(process.url, "slow", token=TOKEN, timeout_seconds=60)
        stream = venue.updates()
        assert await anext(stream) == StreamConnected()
        reading = asyncio.create_task(read(stream, 1_000))
        with raw_stream(process, "slow") as raw:
            for _ in range(20):
                await asyncio.gather(*(venue.place(order(f"n{n}")) for n in range(100)))
                await asyncio.gather(*(venue.cancel(PAIR, f"n{n}") for n in range(100)))
            told_bytes = await asyncio.to_thread(bytes_until_end, raw)
        assert told_bytes < 4_000 * 100  # Each message has more than 200 bytes.
        await reading  # The one that reads was not cut off.
        await venue.close()

    asyncio.run(asyncio.wait_for(scenario(), 120))


@contextlib.contextmanager
def raw_stream(process: PaperProcess, account: str) -> Iterator[socket.socket]:
    """A stream whose client says hello and then never reads."""
    port = int(process.url.rpartition(":")[2])
    with socket.socket() as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.connect(("127.0.0.1", port))
        raw.sendall(
            b"GET /stream HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            + f"X-Paper-Account: {account}\r\nX-Paper-Token: {TOKEN}\r\n\r\n".encode()
        )
        assert b"101" in raw.recv(64)
        yield raw


def bytes_until_end(raw: socket.socket) -> int:
    """Read what is left of a stream that the other side has ended; raises TimeoutError if not."""
    raw.settimeout(60)
    size = 0
    while part := raw.recv(65_536):
        size += len(part)
    return size


def test_a_venue_that_is_not_there_is_unreachable() -> None:
    async def scenario() -> None:
        venue = PaperVenue("http://127.0.0.1:9", "ann", timeout_seconds=1)
        with pytest.raises(VenueUnreachable):
            await venue.place(order("a"))
        await venue.close()
        with pytest.raises(VenueUnreachable):
            await venue.time_us()

    asyncio.run(scenario())


def test_the_venue_ends_with_its_parent(tmp_path: Path) -> None:
    parent = (
        "import subprocess, sys, time\n"
        "subprocess.Popen([sys.executable, '-m', 'adapters.venues.paper', *sys.argv[1:]])\n"
        "time.sleep(60)\n"
    )
    ready = tmp_path / "ready"
    flags = ["--file", str(tmp_path / "v.sqlite"), "--ready-file", str(ready)]
    child = subprocess.Popen([sys.executable, "-c", parent, *flags, "--exit-with-parent"])
    deadline = time.monotonic() + 60
    while not ready.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    (venue,) = psutil.Process(child.pid).children()
    child.kill()
    child.wait()
    psutil.wait_procs([venue], timeout=30)
    with contextlib.suppress(psutil.NoSuchProcess):  # Gone, also between the two questions.
        assert not venue.is_running() or venue.status() == psutil.STATUS_ZOMBIE


def test_the_venue_does_not_start_for_a_parent_that_is_gone(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "adapters.venues.paper", "--file", str(tmp_path / "v.sqlite")]
    late = subprocess.run([*command, "--exit-with-parent", "1"], check=False, timeout=60)
    assert late.returncode == 1
    assert not (tmp_path / "v.sqlite").exists()
