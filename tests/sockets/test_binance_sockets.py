"""Live market data of Binance's wire, spot and perpetual, through ccxt and our own streams."""

import asyncio
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from api.sockets import session
from tests.doubles.binance_process import BinanceProcess
from tests.doubles.binance_process import running as running_double
from tests.postgres_fixture import Database
from tests.sockets.served import Served, connected, serving, subscribe

pytestmark = pytest.mark.postgres
PAIR, SYMBOL = "BTC-USDT", "BTCUSDT"
CONNECTORS = ["binance", "binance_perpetual"]


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BinanceProcess]:
    with running_double(tmp_path_factory.mktemp("binance")) as process:
        yield process


@pytest.fixture(scope="module")
def binance(
    log: Database, exchange: BinanceProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    urls = dict.fromkeys(CONNECTORS, exchange.url)
    folder: Path = tmp_path_factory.mktemp("api")
    with serving(log.app_dsn, "http://127.0.0.1:9", folder, venue_urls=urls) as served:
        yield served


def market_of(connector: str) -> str:
    return "futures" if connector == "binance_perpetual" else "spot"


@pytest.mark.parametrize("connector", CONNECTORS)
def test_books_trades_and_candles_are_heard(
    binance: Served, exchange: BinanceProcess, connector: str
) -> None:
    async def scenario() -> None:
        of = {"connector": connector, "trading_pair": PAIR}
        async with connected(binance) as raw:
            for kind, end in (("order_book", ""), ("trades", ""), ("candles", "_1m")):
                answer = await raw.ask(**subscribe(kind, **of))
                assert answer["subscription_id"] == f"{kind}_{connector}_{PAIR}{end}"
            assert len((await raw.next_of("order_book"))["data"]["bids"]) == 10
            assert (await raw.next_of("candles"))["data"]
            feed = binance.deps.feeds.pair(connector, PAIR)
            async with asyncio.timeout(30):  # What was traded before it is asked for is no news.
                while feed._held is not None:  # noqa: ASYNC110, SLF001 - of the server's thread
                    await asyncio.sleep(0.02)
            market = market_of(connector)
            for quantity in ("0.125", "0.375"):
                body = {"symbol": SYMBOL, "market": market, "quantity": quantity, "side": "SELL"}
                await asyncio.to_thread(partial(exchange.control, "print", **body))
            amounts: list[float] = []
            while amounts[-2:] != [0.125, 0.375]:
                rows = (await raw.next_of("trades"))["data"]
                amounts += [row["amount"] for row in rows]
            assert rows[-1]["side"] == "sell"
            await asyncio.to_thread(
                partial(exchange.control, "price", symbol=SYMBOL, price="50000", market=market)
            )
            while (await raw.next_of("order_book"))["data"]["bids"][0][0] > 50_000:
                pass

    asyncio.run(scenario())


@pytest.mark.parametrize("connector", CONNECTORS)
def test_a_stream_that_is_cut_comes_back_by_itself(
    binance: Served, exchange: BinanceProcess, connector: str
) -> None:
    async def scenario() -> None:
        of = {"connector": connector, "trading_pair": PAIR}
        async with connected(binance) as raw:
            await raw.ask(**subscribe("order_book", **of))
            await raw.next_of("order_book")
            feed = binance.deps.feeds.pair(connector, PAIR)
            connects = feed.connects
            await asyncio.to_thread(partial(exchange.control, "cut", what="market"))
            async with asyncio.timeout(60):
                while feed.connects == connects:  # noqa: ASYNC110 - of the server's thread
                    await asyncio.sleep(0.02)
            for price in ("40000", "60000"):
                await asyncio.to_thread(
                    partial(
                        exchange.control,
                        "price",
                        symbol=SYMBOL,
                        price=price,
                        market=market_of(connector),
                    )
                )
                middle = float(price)
                bid = 0.0
                while not middle * 0.99 < bid < middle * 1.01:
                    bid = (await raw.next_of("order_book"))["data"]["bids"][0][0]

    asyncio.run(scenario())


def test_a_pair_that_binance_has_not_is_refused_at_once(
    binance: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "FIRST_ANSWER_SECONDS", 20.0)

    async def scenario() -> None:
        async with connected(binance) as raw:
            asked = subscribe("order_book", connector="binance", trading_pair="NO-PE")
            answer = await raw.ask(**asked)
            assert (answer["type"], "NO-PE" in answer["message"]) == ("error", True)

    asyncio.run(scenario())
