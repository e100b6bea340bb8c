"""Orders and fills through the adapter of real venues, at the Binance double: from outside.

Every clock is this machine's. "Known" is the time that the log's event carries; "visible" is when
the read models had reached it.
"""

import asyncio
import itertools
import json
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvloop
from msgspec import Struct

from adapters.postgres.connect import READER_OPTIONS, connect, connect_async
from benchmarks.load import run_load
from benchmarks.place import BASIC, number
from benchmarks.processes import Address, aviary, free_address, running, wait_for
from benchmarks.rows import Row, rate
from commands.codec import decode
from commands.request import client_order_id_of, command_id_of
from domain.order import stream
from domain.order_messages import OrderFilled
from tests.doubles import binance_process
from tests.doubles.binance_process import BinanceProcess
from workers.running.database import find_running

NAME, ACTOR = "bench", "user:admin"
CONNECTIONS = 16
OFFERED = 100
SECONDS = 20.0
FILLS_PER_SECOND = 1000
FILLS_SECONDS = 20.0
FILLS_PER_ORDER = 100
DRAIN_SECONDS = 60.0
_ORDER = (
    b'{"account_name":"master_account","connector_name":"binance","trading_pair":"BTC-USDT",'
    b'"trade_type":"%s","amount":"0.001","order_type":"%s"%s}'
)
_ACCEPTED = "order.accepted.v1"
_FILLED = "order.filled.v1"


class _Scene(Struct):
    address: Address
    dsn: str
    double: BinanceProcess


class _Trip(Struct):
    refused: int
    known: list[float]
    """Milliseconds from the POST until the log knows that the venue has the order."""
    visible: list[float]
    """Milliseconds from the venue's trade until the read models have it."""


class _Burst(Struct):
    told: int
    seconds: float
    behind_max: int
    drain_seconds: float


def measure() -> list[Row]:
    with _scene() as scene:
        trip = uvloop.run(_trip(scene))
        burst = _burst(scene)
    p50, p99 = _percentiles(trip.known)
    seen50, seen99 = _percentiles(trip.visible)
    return [
        Row(
            f"POST to accepted at a venue (Binance double), {OFFERED}/s offered, {SECONDS:.0f} s",
            "every order, p50 and p99 shown",
            f"p50 {p50:.0f} ms, p99 {p99:.0f} ms, {len(trip.known):,} orders, "
            f"{trip.refused} refused",
            "",
            not trip.refused and len(trip.known) >= 0.9 * OFFERED * SECONDS,
        ),
        Row(
            "trade at that venue to visible in `trades`, same load",
            "p50 and p99 shown",
            f"p50 {seen50:.0f} ms, p99 {seen99:.0f} ms, {len(trip.visible):,} fills",
            "",
            bool(trip.visible),
        ),
        Row(
            f"fills of one user stream, {FILLS_SECONDS:.0f} s",
            f"{FILLS_PER_SECOND:,}/s, none missing, not falling behind",
            f"{rate(burst.told / burst.seconds)} told, {burst.behind_max:,} behind at most, "
            f"all known {burst.drain_seconds:.1f} s after the last",
            "",
            burst.behind_max <= 2 * FILLS_PER_SECOND and burst.drain_seconds <= 2.0,  # noqa: PLR2004
        ),
    ]


@contextmanager
def _scene() -> Iterator[_Scene]:
    address = free_address()
    with (
        tempfile.TemporaryDirectory(prefix="aviary-bench-") as folder,
        binance_process.running(_made(Path(folder) / "double")) as double,
    ):
        environment = {
            "AVIARY_RATE_PER_SECOND": "0",
            "AVIARY_OPEN_ORDERS_MAX": "0",
            "AVIARY_DATA_DIR": folder,
            "VENUE_URL_BINANCE": double.url,
            "VENUE_RATE_BINANCE": "10000",
        }
        with running(aviary("serve", "--port", str(address[1])), environment):
            wait_for(address, "/ready")
            dsns = find_running(Path(folder))
            if dsns is None:
                raise RuntimeError("serve runs, but its database does not answer")
            key, secret = double.new_account(NAME, spot={"USDT": "100000000", "BTC": "10000"})
            fields = {"binance_api_key": key, "binance_api_secret": secret}
            _post(address, "/accounts/add-credential/master_account/binance", fields)
            yield _Scene(address, dsns.app, double)


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _post(address: Address, path: str, body: object) -> None:
    request = urllib.request.Request(
        f"http://{address[0]}:{address[1]}{path}",
        json.dumps(body).encode(),
        {"Authorization": BASIC, "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60):  # noqa: S310 - loopback
        return


def _order(key: str, body: bytes) -> bytes:
    return (
        f"POST /trading/orders HTTP/1.1\r\nHost: x\r\nAuthorization: {BASIC}\r\n"
        f"Idempotency-Key: {key}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body


def _stream(key: str) -> str:
    return stream(client_order_id_of(command_id_of(ACTOR, key)))


async def _trip(scene: _Scene) -> _Trip:
    sent: dict[str, float] = {}
    reached: list[tuple[int, float]] = []
    numbers, sides = itertools.count(), itertools.cycle((b"BUY", b"SELL"))

    def make() -> bytes:
        key = f"trip-{next(numbers)}"
        sent[_stream(key)] = time.time()
        return _order(key, _ORDER % (next(sides), b"MARKET", b""))

    async def watch() -> None:
        async with await connect_async(scene.dsn, READER_OPTIONS) as connection:
            await connection.execute("listen aviary_projected")
            async for notice in connection.notifies():
                now = time.time()
                reached.append((int(notice.payload), now))

    watching = asyncio.create_task(watch())
    load = await run_load(
        scene.address, make, connections=CONNECTIONS, seconds=SECONDS, per_second=OFFERED
    )
    await asyncio.to_thread(_wait_for, scene.dsn, _FILLED, len(sent))
    await asyncio.sleep(1.0)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    refused = sum(count for status, count in load.statuses.items() if status != 201)  # noqa: PLR2004
    known = _known(scene.dsn, sent)
    return _Trip(refused, known, _visible(scene.dsn, reached))


def _wait_for(dsn: str, tag: str, count: int) -> float:
    """Seconds until the log holds so many events of a tag, or the time is over."""
    started = time.monotonic()
    while time.monotonic() < started + DRAIN_SECONDS and _count(dsn, tag) < count:
        time.sleep(0.05)
    return time.monotonic() - started


def _count(dsn: str, tag: str) -> int:
    return number(dsn, f"select count(*) from events where topic = '{tag}'")


def _known(dsn: str, sent: dict[str, float]) -> list[float]:
    """Of orders whose trade came before the answer, the trade says that the venue has them."""
    with connect(dsn, READER_OPTIONS, autocommit=True) as reader:
        found = reader.execute(
            """select originator_id, min(recorded_at_us) from events
            where topic in ('order.accepted.v1', 'order.found.v1', 'order.filled.v1')
            group by originator_id"""
        ).fetchall()
    return [1000 * (at_us / 1e6 - sent[name]) for name, at_us in found if name in sent]


def _visible(dsn: str, reached: list[tuple[int, float]]) -> list[float]:
    with connect(dsn, READER_OPTIONS, autocommit=True) as reader:
        found = reader.execute(
            "select notification_id, state from events where topic = %s order by 1", (_FILLED,)
        ).fetchall()
    delays, at = [], 0
    for position, payload in found:
        while at < len(reached) and reached[at][0] < position:
            at += 1
        if at == len(reached):
            break
        event = decode(_FILLED, bytes(payload))
        assert isinstance(event, OrderFilled)  # noqa: S101 - the tag's type
        delays.append(1000 * (reached[at][1] - event.executed_at_us / 1e6))
    return delays


def _percentiles(values: list[float]) -> tuple[float, float]:
    if not values:
        raise RuntimeError("Nothing was measured: no order reached the venue.")
    ordered = sorted(values)
    return ordered[len(ordered) // 2], ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]


def _burst(scene: _Scene) -> _Burst:
    """Orders rest; the double then trades against them at a rate of its own."""
    fills = int(FILLS_PER_SECOND * FILLS_SECONDS)
    orders = fills // FILLS_PER_ORDER
    accepted = _count(scene.dsn, _ACCEPTED)
    body = _ORDER % (b"BUY", b"LIMIT", b',"price":"30000"')
    numbers = itertools.count()
    uvloop.run(
        run_load(
            scene.address,
            lambda: _order(f"rest-{next(numbers)}", body),
            connections=CONNECTIONS,
            seconds=orders / OFFERED + 0.5,
            per_second=OFFERED,
        )
    )
    _wait_for(scene.dsn, _ACCEPTED, accepted + orders)
    before, started = _count(scene.dsn, _FILLED), time.monotonic()
    trading = threading.Thread(
        target=scene.double.control,
        args=("fill",),
        kwargs={
            "account": NAME,
            "quantity": "0.00001",
            "count": fills,
            "per_second": FILLS_PER_SECOND,
        },
    )
    trading.start()
    behind_max = 0
    while trading.is_alive():
        time.sleep(0.25)
        told = min(fills, int((time.monotonic() - started) * FILLS_PER_SECOND))
        behind_max = max(behind_max, told - (_count(scene.dsn, _FILLED) - before))
    seconds = time.monotonic() - started
    drain = _wait_for(scene.dsn, _FILLED, before + fills)
    return _Burst(fills, seconds, behind_max, drain)
