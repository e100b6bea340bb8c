"""The double as ccxt sees it: what ccxt parses is what was traded, over REST and streams."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit

import ccxt.pro  # type: ignore[import-untyped]
import pytest

from tests.doubles.binance_process import BinanceProcess

SPOT, PERPETUAL = "BTC/USDT", "BTC/USDT:USDT"
MARKETS = {"spot": ("binance", "spot", SPOT), "futures": ("binanceusdm", "linear", PERPETUAL)}
Scene = Callable[[Any, str], Awaitable[None]]


@asynccontextmanager
async def client(exchange: BinanceProcess, account: str, market: str) -> AsyncIterator[Any]:
    name, kind, _ = MARKETS[market]
    key, secret = exchange.new_account(account)
    made = getattr(ccxt.pro, name)(
        {
            "apiKey": key,
            "secret": secret,
            "enableRateLimit": False,
            "options": {"fetchMarkets": {"types": [kind]}, "fetchMargins": False},
        }
    )
    made.has["fetchCurrencies"] = False
    made.number = str
    made.urls["api"] = _point(made.urls["api"], urlsplit(exchange.url).netloc)
    try:
        await made.load_markets()
        yield made
    finally:
        await made.close()


def play(exchange: BinanceProcess, account: str, market: str, scene: Scene) -> None:
    async def bounded() -> None:
        async with client(exchange, account, market) as made:
            await asyncio.wait_for(scene(made, MARKETS[market][2]), 120)

    asyncio.run(bounded())


def _point(urls: Any, host: str) -> Any:
    if isinstance(urls, dict):
        return {name: _point(url, host) for name, url in urls.items()}
    parts = urlsplit(urls)
    return f"{'ws' if parts.scheme.startswith('ws') else 'http'}://{host}{parts.path}"


@pytest.mark.parametrize("market", MARKETS)
def test_an_order_lives_its_life(binance_double: BinanceProcess, account: str, market: str) -> None:
    async def scene(exchange: Any, symbol: str) -> None:
        made = await exchange.create_order(
            symbol, "limit", "buy", "1", "50000", {"clientOrderId": "life"}
        )
        assert (made["status"], made["clientOrderId"]) == ("open", "life")
        await asyncio.to_thread(
            lambda: binance_double.control(
                "fill", account=account, market=market, client_order_id="life", quantity="0.25"
            )
        )
        found = await exchange.fetch_order(None, symbol, {"clientOrderId": "life"})
        assert (found["status"], float(found["filled"])) == ("open", 0.25)
        trades = await exchange.fetch_my_trades(symbol)
        assert [(row["order"], float(row["amount"])) for row in trades] == [(made["id"], 0.25)]
        still_open = await exchange.fetch_open_orders(symbol)
        assert [order["id"] for order in still_open] == [made["id"]]
        gone = await exchange.cancel_order(None, symbol, {"clientOrderId": "life"})
        assert (gone["status"], float(gone["filled"])) == ("canceled", 0.25)

    play(binance_double, account, market, scene)


@pytest.mark.parametrize("market", MARKETS)
def test_errors_have_the_classes_that_ccxt_gives_them(
    binance_double: BinanceProcess, account: str, market: str
) -> None:
    async def scene(exchange: Any, symbol: str) -> None:
        own = {"clientOrderId": "own"}
        await exchange.create_order(symbol, "limit", "buy", "1", "50000", own)
        with pytest.raises(ccxt.BaseError, match=r"Duplicate order sent|duplicated"):
            await exchange.create_order(symbol, "limit", "buy", "1", "50000", own)
        with pytest.raises(ccxt.OrderNotFound):
            await exchange.fetch_order(None, symbol, {"clientOrderId": "none"})
        with pytest.raises(ccxt.OrderNotFound):
            await exchange.cancel_order(None, symbol, {"clientOrderId": "none"})
        post_only = {"postOnly": True}
        with pytest.raises(ccxt.InvalidOrder):
            await exchange.create_order(symbol, "limit", "buy", "1", "60006", post_only)
        if market == "spot":
            with pytest.raises(ccxt.InsufficientFunds):
                await exchange.create_order(symbol, "limit", "buy", "900", "50000")
        exchange.secret = "another"
        with pytest.raises(ccxt.AuthenticationError):
            await exchange.fetch_open_orders(symbol)

    play(binance_double, account, market, scene)


@pytest.mark.parametrize(
    ("rule", "error"),
    [
        ({"kind": "lose_ack"}, ccxt.NetworkError),
        ({"kind": "unavailable_after"}, ccxt.NetworkError),
        # Which codes ccxt knows hangs on the host, which is not Binance's here.
        ({"kind": "unavailable_before"}, ccxt.ExchangeError),
        ({"kind": "reject", "status": 429, "code": -1003, "text": "Slow."}, ccxt.DDoSProtection),
        ({"kind": "reject", "code": -1021, "text": "Timestamp"}, ccxt.InvalidNonce),
    ],
    ids=["lost", "503 after", "503 before", "429", "clock"],
)
def test_faults_have_the_classes_that_ccxt_gives_them(
    binance_double: BinanceProcess, account: str, rule: dict[str, Any], error: type[Exception]
) -> None:
    async def scene(exchange: Any, symbol: str) -> None:
        await asyncio.to_thread(lambda: binance_double.faults(account, rule))
        with pytest.raises(error):
            await exchange.create_order(symbol, "limit", "buy", "1", "50000")

    play(binance_double, account, "spot", scene)


@pytest.mark.parametrize("market", MARKETS)
def test_private_streams_tell_orders_and_trades(
    binance_double: BinanceProcess, account: str, market: str
) -> None:
    async def scene(exchange: Any, symbol: str) -> None:
        await exchange.authenticate({"type": market if market == "spot" else "linear"})
        orders = asyncio.create_task(exchange.watch_orders(symbol))
        trades = asyncio.create_task(exchange.watch_my_trades(symbol))
        private = f"WS {'/ws-api/v3' if market == 'spot' else '/private/ws'}"
        await _heard(binance_double, private)
        await exchange.create_order(symbol, "limit", "buy", "1", "60006", {"clientOrderId": "s"})
        assert (await orders)[0]["clientOrderId"] == "s"
        assert [float(row["amount"]) for row in await trades] == [1.0]

    binance_double.control("requests", reset=True)
    play(binance_double, account, market, scene)


@pytest.mark.parametrize("market", MARKETS)
def test_public_streams_tell_books_and_trades(
    binance_double: BinanceProcess, account: str, market: str
) -> None:
    async def scene(exchange: Any, symbol: str) -> None:
        def life(per_second: int) -> None:
            binance_double.control("life", symbol="BTCUSDT", market=market, per_second=per_second)

        await asyncio.to_thread(life, 100)
        first = (await exchange.watch_order_book(symbol))["nonce"]
        later = (await exchange.watch_order_book(symbol))["nonce"]
        assert first <= later
        assert (await exchange.watch_trades(symbol))[0]["symbol"] == symbol
        await asyncio.to_thread(life, 0)

    play(binance_double, account, market, scene)


@pytest.mark.parametrize("market", MARKETS)
def test_candles_are_whole_and_join_each_other(
    binance_double: BinanceProcess, account: str, market: str
) -> None:
    async def scene(exchange: Any, symbol: str) -> None:
        for interval in ("1m", "1h", "1d", "1w"):
            rows = await exchange.fetch_ohlcv(symbol, interval, limit=50)
            assert len(rows) == 50
            steps = {later[0] - row[0] for row, later in pairwise(rows)}
            assert len(steps) == 1
            for row in rows:
                opened, high, low, closed = (float(number) for number in row[1:5])
                assert low <= min(opened, closed) <= max(opened, closed) <= high
        since = rows[10][0]
        page = await exchange.fetch_ohlcv(symbol, "1w", since, 3)
        assert [row[0] for row in page] == [row[0] for row in rows[10:13]]

    play(binance_double, account, market, scene)


def test_perpetual_settings_and_positions(binance_double: BinanceProcess, account: str) -> None:
    async def scene(exchange: Any, symbol: str) -> None:
        await exchange.set_leverage(7, symbol)
        await exchange.set_position_mode(hedged=True)
        assert (await exchange.fetch_position_mode(symbol))["hedged"] is True
        long = {"positionSide": "LONG"}
        await exchange.create_order(symbol, "market", "buy", "1", None, long)
        await asyncio.to_thread(
            lambda: binance_double.control("funding", symbol="BTCUSDT", rate="0.0002")
        )
        held = await exchange.fetch_positions([symbol])
        shown = [(row["side"], float(row["contracts"]), float(row["leverage"])) for row in held]
        assert shown == [("long", 1.0, 7.0)]
        paid = await exchange.fetch_funding_history(symbol)
        assert [float(row["amount"]) for row in paid] == [-12.0]
        rate = await exchange.fetch_funding_rate(symbol)
        assert float(rate["markPrice"]) == 60_000
        assert float((await exchange.fetch_balance())["USDT"]["total"]) < 1_000_000

    play(binance_double, account, "futures", scene)


async def _heard(exchange: BinanceProcess, path: str) -> None:
    while path not in await asyncio.to_thread(lambda: exchange.control("requests")):
        pass
