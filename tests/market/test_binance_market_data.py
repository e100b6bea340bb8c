"""The routes with ccxt behind them, on the double that speaks Binance's wire."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters.settings import Settings
from adapters.venues.registry import public_venue
from tests.api.live import Live, running
from tests.doubles.binance_process import BinanceProcess
from tests.postgres_fixture import Database

pytestmark = pytest.mark.postgres
NAMES = ("binance", "binance_perpetual")


@pytest.fixture(scope="module")
def live(
    database: Callable[..., Database], seeded: Database, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Live]:
    folder: Path = tmp_path_factory.mktemp("binance")
    double = BinanceProcess(folder)
    double.start()
    settings = Settings(venue_urls=dict.fromkeys(NAMES, double.url))
    venues = {name: public_venue(settings, name) for name in NAMES}
    try:
        with running(database(template=seeded), folder, venues) as server:
            yield server
    finally:
        double.kill()


def get(live: Live, path: str) -> Any:
    answer = live.client.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json()


def post(live: Live, path: str, **body: Any) -> Any:
    answer = live.client.post(f"/market-data/{path}", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize("name", NAMES)
def test_rules_and_markets_are_the_venue_s(live: Live, name: str) -> None:
    rules = get(live, f"/connectors/{name}/trading-rules")
    pairs = get(live, f"/connectors/{name}/markets")["trading_pairs"]
    assert sorted(rules) == pairs
    assert "BTC-USDT" in pairs
    rule = rules["BTC-USDT"]
    assert rule["min_price_increment"] > 0
    assert rule["buy_order_collateral_token"] == "USDT"


@pytest.mark.parametrize("name", NAMES)
def test_prices_and_tickers_agree_with_the_book(live: Live, name: str) -> None:
    asked = {"connector_name": name, "trading_pair": "BTC-USDT"}
    book = post(live, "order-book", **asked, depth=20)
    price = post(live, "prices", connector_name=name, trading_pairs=["BTC-USDT", "NO-PAIR"])
    assert price["unknown"] == ["NO-PAIR"]
    best = book["bids"][0]["price"], book["asks"][0]["price"]
    assert best[0] * 0.9 < price["prices"]["BTC-USDT"] < best[1] * 1.1
    pool = get(live, f"/market-data/tickers?connectors={name}")["tickers"][name]
    assert pool["BTC-USDT"]["price"] == pytest.approx(price["prices"]["BTC-USDT"], rel=0.1)
    worst = post(live, "order-book/price-for-volume", **asked, is_buy=True, volume="0.001")
    assert worst["result_price"] >= best[1] * 0.99
    rate = get(live, f"/market-data/rate/USDT-BTC?connector={name}")["rate"]
    assert rate == pytest.approx(1 / price["prices"]["BTC-USDT"], rel=0.1)


@pytest.mark.parametrize("name", NAMES)
def test_candles_are_the_venue_s_and_kept(live: Live, name: str) -> None:
    end = int(time.time()) // 60 * 60 - 600
    asked = {"connector_name": name, "trading_pair": "BTC-USDT", "interval": "1m"}
    rows = post(live, "historical-candles", **asked, start_time=end - 3000, end_time=end)
    starts = [row["timestamp"] for row in rows]
    assert starts == sorted(set(starts))
    assert rows
    again = post(live, "historical-candles", **asked, start_time=end - 3000, end_time=end)
    assert again == rows
    latest = post(live, "candles", **asked, max_records=5)
    assert latest[-1]["timestamp"] >= end


def test_funding_is_the_venue_s(live: Live) -> None:
    asked = {"connector_name": "binance_perpetual", "trading_pair": "BTC-USDT"}
    began = time.time()
    shown = post(live, "funding-info", **asked)
    assert shown["funding_rate"] is not None
    assert shown["next_funding_time"] > began


@pytest.mark.parametrize("path", ["order-book", "funding-info", "candles"])
def test_a_pair_that_the_venue_has_not_is_named(live: Live, path: str) -> None:
    body = {"connector_name": "binance_perpetual", "trading_pair": "NO-PAIR"}
    answer = live.client.post(f"/market-data/{path}", json=body)
    assert answer.status_code in (400, 404), answer.text
    assert "NO-PAIR" in answer.json()["detail"]
