"""Order book questions on 1,000 levels, and a month of minute candles that are kept already."""

import statistics
import tempfile
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import httpx
import uvloop

from adapters.postgres.candles import Series, saving
from adapters.venues.port import Candle, OrderBook
from api.market import depth
from benchmarks.rows import Row
from tests.api.live import EUR_USD, running
from tests.market.scripted import ScriptedVenue
from tests.postgres_fixture import Database
from workers.running.database import Dsns

LEVELS = 1_000
ROUNDS = 300
MINUTES = 31 * 24 * 60
_MINUTE_US = 60_000_000
_BEGIN_US = 1_700_000_040_000_000
_MUST_MS = 2.0
_MUST_MONTH_MS = 1_000.0
_TAKES_ALL = str(LEVELS)
_EVERY = Decimal(10)


def measure(dsns: Dsns) -> list[Row]:
    venue = ScriptedVenue(EUR_USD)
    venue.books["EUR-USD"] = _book()
    database = Database("bench", dsns.owner, dsns.app)
    _keep_a_month(dsns)
    with (
        tempfile.TemporaryDirectory(prefix="aviary-bench-") as folder,
        running(database, Path(folder), {"paper": venue}, rate_per_second=0) as live,
    ):
        asked = {"connector_name": "paper", "trading_pair": "EUR-USD"}
        question = {**asked, "is_buy": True, "volume": _TAKES_ALL}
        path = "/market-data/order-book/vwap-for-volume"
        answered = _median_ms(lambda: _ok(live.client.post(path, json=question)))
        least = _median_ms(lambda: _ok(live.client.get("/connectors/paper/order-types")))
        begin = _BEGIN_US // 1_000_000
        span = {"interval": "1m", "start_time": begin, "end_time": begin + 60 * MINUTES - 60}
        month = _median_ms(
            lambda: _ok(
                live.client.post("/market-data/historical-candles", json={**asked, **span})
            ),
            rounds=5,
        )
    return [_questions(), _over_http(answered, least), _month(month)]


def _questions() -> Row:
    book, price = _book(), _EVERY
    volume = Decimal(_TAKES_ALL)
    slowest = max(
        _median_ms(lambda: depth.price_for_volume(book, volume, is_buy=True)),
        _median_ms(lambda: depth.price_for_quote_volume(book, volume, is_buy=True)),
        _median_ms(lambda: depth.volume_for_price(book, price, is_buy=True)),
        _median_ms(lambda: depth.quote_volume_for_price(book, price, is_buy=True)),
        _median_ms(lambda: depth.vwap_for_volume(book, volume, is_buy=True)),
    )
    return Row(
        f"order book question on {LEVELS} levels, the slowest of five",
        f"{_MUST_MS:.0f} ms",
        f"{slowest:.2f} ms",
        "",
        slowest <= _MUST_MS,
    )


def _over_http(answered: float, least: float) -> Row:
    return Row(
        f"the same over HTTP, all {LEVELS} levels needed",
        f"{_MUST_MS:.0f} ms above a route that does nothing",
        f"{answered:.2f} ms",
        f"{least:.2f} ms that route",
        answered - least <= _MUST_MS,
    )


def _month(month: float) -> Row:
    return Row(
        f"{MINUTES:,} kept candles in one answer",
        f"{_MUST_MONTH_MS:,.0f} ms",
        f"{month:.0f} ms",
        "",
        month <= _MUST_MONTH_MS,
    )


def _book() -> OrderBook:
    tick, amount = Decimal("0.00001"), Decimal("1.00000001")
    return OrderBook(
        pair="EUR-USD",
        bids=tuple((1 - n * tick, amount) for n in range(1, LEVELS + 1)),
        asks=tuple((1 + n * tick, amount) for n in range(1, LEVELS + 1)),
        at_us=time.time_ns() // 1_000,
    )


def _keep_a_month(dsns: Dsns) -> None:
    price = Decimal("1.07160")
    candles = [
        Candle(
            start_us=_BEGIN_US + n * _MINUTE_US,
            open=price,
            high=price,
            low=price,
            close=price,
            volume=Decimal("1413.25"),
            quote_volume=Decimal("1514.123456"),
            trades=n,
        )
        for n in range(MINUTES)
    ]

    async def keep() -> None:
        async with saving(dsns.app, Series("paper", "EUR-USD", "1m")) as save:
            for first in range(0, MINUTES, 1_000):
                page = candles[first : first + 1_000]
                await save(page, page[0].start_us, page[-1].start_us + _MINUTE_US)

    uvloop.run(keep())


def _median_ms(act: Callable[[], object], rounds: int = ROUNDS) -> float:
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        act()
        times.append(time.perf_counter() - began)
    return statistics.median(times) * 1_000


def _ok(answer: httpx.Response) -> None:
    answer.raise_for_status()
