"""200 WebSockets of market data at 10 frames a second each; and an hour of updates in one feed.

The API, the paper venue and the clients are processes of their own: what is measured is the API's
share of a core, and the time from a book's arrival at the API to its frame at a client.
"""

import asyncio
import gc
import json
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Collection
from decimal import Decimal

import aiohttp
import psutil
import uvloop

from adapters.venues.market_port import BookUpdate, MarketUpdate, PublicTrade, Topic, TradesUpdate
from adapters.venues.port import OrderBook
from api.market.feeds import Feeds
from api.market.subscriptions import Subscribe, subscription
from api.market.venues import Venues
from benchmarks.http_alone import api_alone
from benchmarks.rows import Row
from tests.market_feeds.scripted import PAIR, Told, venues
from workers.running.database import Dsns

CLIENTS = 200
FRAMES_PER_SECOND = 10
SECONDS = 20.0
SAMPLED = 10
HOUR_SECONDS = 3600
UPDATES_PER_SECOND = 20
_TOKEN = b64encode(b"admin:admin").decode()
_KINDS: tuple[dict[str, str], ...] = (
    {"type": "order_book"},
    {"type": "candles", "interval": "1m"},
    {"type": "candles", "interval": "5m"},
)
_CORE, _GROWTH_MB = 1.0, 4.0


def measure(dsns: Dsns) -> list[Row]:
    return [_clients(dsns), _hour()]


def _clients(dsns: Dsns) -> Row:
    with api_alone(dsns, "--speed", "1000") as address:
        api = next(p for p in psutil.Process().children() if p.cmdline()[-1] == "api")
        argv = [sys.executable, "-m", "benchmarks.sockets", str(address[1])]
        clients = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
        if clients.stdout is None or clients.stdout.readline() != "listening\n":
            raise RuntimeError("The clients did not come in.")
        before, started = sum(api.cpu_times()[:2]), time.perf_counter()
        seen = json.loads(clients.communicate(timeout=120)[0])
        seconds = time.perf_counter() - started
        share = (sum(api.cpu_times()[:2]) - before) / seconds
        megabytes = api.memory_info().rss / 1e6
    each = seen["frames"] / SECONDS / CLIENTS
    return Row(
        f"{CLIENTS} WebSockets at {FRAMES_PER_SECOND} frames/s each",
        "one core, no frame dropped",
        f"{each:.1f} frames/s each in {share:.2f} cores, p50 {seen['p50']:.0f} ms, "
        f"p99 {seen['p99']:.0f} ms, {megabytes:.0f} MB",
        f"{seen['dropped']} dropped",
        share < _CORE and each >= FRAMES_PER_SECOND and not seen["dropped"],
    )


async def listen(port: int) -> None:
    """Count for some seconds; a book is late by the time since the API got it."""
    frames = dropped = 0
    late: list[float] = []
    is_counting = False

    async def client(http: aiohttp.ClientSession, number: int) -> None:
        nonlocal frames, dropped
        url = f"ws://127.0.0.1:{port}/ws/market-data?token={_TOKEN}"
        async with http.ws_connect(url) as socket:
            for kind in _KINDS:
                fields = {"connector": "paper", "trading_pair": "EUR-USD", "update_interval": 0.25}
                await socket.send_json({"action": "subscribe", **kind, **fields})
            ready.release()
            async for message in socket:
                if is_counting:
                    frames += 1
                    dropped += '"type":"dropped"' in message.data
                    if number < SAMPLED and '"type":"order_book"' in message.data:
                        late.append(time.time() - json.loads(message.data)["timestamp"])

    ready = asyncio.Semaphore(0)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        tasks = [asyncio.create_task(client(http, number)) for number in range(CLIENTS)]
        for _ in range(CLIENTS):
            await ready.acquire()
        await asyncio.sleep(3)
        print("listening", flush=True)
        is_counting = True
        await asyncio.sleep(SECONDS)
        is_counting = False
        ordered = sorted(1000 * each for each in late)
        p50, p99 = (ordered[len(ordered) * share // 100] for share in (50, 99))
        print(json.dumps({"frames": frames, "dropped": dropped, "p50": p50, "p99": p99}))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _Busy(Told):
    """Tells a book and a trade at every step, as fast as they are taken."""

    async def watch(
        self,
        pair: str,
        topics: Collection[Topic],  # noqa: ARG002 - the port names it
    ) -> AsyncIterator[MarketUpdate]:
        number = 0
        while True:
            number += 1
            yield BookUpdate(_book(number))
            yield TradesUpdate(pair, (_trade(number),))
            await asyncio.sleep(0)


def _book(number: int) -> OrderBook:
    middle = 100_000 + number % 100
    return OrderBook(
        pair=PAIR,
        bids=tuple((Decimal(middle - level), Decimal(number)) for level in range(1, 101)),
        asks=tuple((Decimal(middle + level), Decimal(number)) for level in range(1, 101)),
        at_us=number,
    )


def _trade(number: int) -> PublicTrade:
    return PublicTrade(
        trade_id=str(number), side="BUY", quantity=Decimal(1), price=Decimal(number), at_us=number
    )


def _hour() -> Row:
    """Memory of a process with one feed and its listeners, after five minutes and at the end."""
    updates, early, late, frames = uvloop.run(_live_an_hour(venues(_Busy())))
    growth = (late - early) / 1e6
    return Row(
        f"memory over an hour of one feed ({updates:,} books and trades, {CLIENTS} listeners)",
        "flat",
        f"{growth:+.1f} MB from minute 5 to minute 60, {frames:,} frames made",
        f"{late / 1e6:.0f} MB in all",
        growth < _GROWTH_MB,
    )


async def _live_an_hour(made: Venues) -> tuple[int, int, int, int]:
    feeds = Feeds(made, idle_seconds=600, cleanup_seconds=300, feeds_max=10)
    feed = feeds.pair("told", PAIR)
    feed.listeners += 1
    listeners = [
        subscription(
            feeds,
            Subscribe(type=kind, connector="told", trading_pair=PAIR, update_interval=0.25),
            0.0,
        )
        for _ in range(CLIENTS // 2)
        for kind in ("order_book", "trades")
    ]
    now, early, frames = 0.0, 0, 0
    step = UPDATES_PER_SECOND // 4
    while now < HOUR_SECONDS:
        now += 0.25
        wanted = feed.book_number + step
        while feed.book_number < wanted:  # noqa: ASYNC110 - the feed's task goes on meanwhile
            await asyncio.sleep(0)
        frames += sum(len(listener.take(now)) for listener in listeners)
        if now == HOUR_SECONDS / 12:
            early = _memory()
    late = _memory()
    await feeds.close()
    return feed.book_number, early, late, frames


def _memory() -> int:
    gc.collect()
    return int(psutil.Process().memory_info().rss)


if __name__ == "__main__":
    uvloop.run(listen(int(sys.argv[1])))
