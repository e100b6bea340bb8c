"""Candles on the wire, with the real paper venue behind them."""

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters.venues.paper.public import PaperMarket
from api.market import candle_routes as market_data_candles
from tests.api.live import Live, running
from tests.market.conftest import Stage, staged
from tests.market.test_candle_history import bars, minute
from tests.postgres_fixture import Database
from tests.venues.paper_process import running as running_venue

pytestmark = pytest.mark.postgres
PAIR = {"connector_name": "paper", "trading_pair": "EUR-USD"}
COLUMNS = [
    *("timestamp", "open", "high", "low", "close", "volume"),
    *("quote_asset_volume", "n_trades", "taker_buy_base_volume", "taker_buy_quote_volume"),
]


@pytest.fixture(scope="module")
def paper(
    database: Callable[..., Database], seeded: Database, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Live]:
    folder = tmp_path_factory.mktemp("paper")
    with running_venue(folder) as venue:
        venues = {"paper": PaperMarket(venue.url)}
        with running(database(template=seeded), folder, venues) as live:
            yield live


def asked(live: Live, path: str, **body: Any) -> list[dict[str, Any]]:
    answer = live.client.post(f"/market-data/{path}", json={**PAIR, **body})
    assert answer.status_code == 200, answer.text
    rows: list[dict[str, Any]] = answer.json()
    return rows


def test_the_latest_candles_end_with_the_one_under_way(paper: Live) -> None:
    now = time.time()
    rows = asked(paper, "candles", interval="1m", max_records=7)
    assert len(rows) == 7
    assert [list(row) for row in rows] == [COLUMNS] * 7
    starts = [row["timestamp"] for row in rows]
    assert starts == [starts[0] + 60 * n for n in range(7)]
    assert now - 60 <= starts[-1] <= time.time()
    key = "candles_paper_EUR-USD_1m"
    assert key in paper.client.get("/market-data/active-feeds").json()


def test_history_is_the_same_however_it_is_asked_for(paper: Live) -> None:
    end = int(time.time()) // 3600 * 3600 - 3600
    start = end - 48 * 3600
    rows = asked(paper, "historical-candles", interval="1h", start_time=start, end_time=end)
    assert [row["timestamp"] for row in rows] == list(range(start, end + 1, 3600))
    millis = asked(
        paper, "historical-candles", interval="1h", start_time=start * 1000, end_time=end * 1000
    )
    assert millis == rows
    path = "/market-data/candles/EUR-USD?connector_name=paper&interval=1h&limit=5"
    assert paper.client.get(f"{path}&start_time={start}").json() == rows[:5]
    assert paper.client.get(f"{path}&end_time={end}").json() == rows[-5:]


def test_two_thousand_candles_come_in_pages(paper: Live) -> None:
    end = int(time.time()) // 60 * 60 - 3600
    rows = asked(
        paper,
        "historical-candles",
        interval="1m",
        start_time=end - 2_000 * 60,
        end_time=end,
    )
    assert len(rows) == 2_001


@pytest.mark.parametrize(
    ("path", "body", "status", "word"),
    [
        ("candles", {"interval": "7m"}, 400, "1m"),
        ("candles", {"connector_name": "nothing"}, 400, "nothing"),
        ("candles", {"connector_name": "xrpl"}, 400, "no venue"),
        ("candles", {"trading_pair": "NO-PAIR"}, 400, "NO-PAIR"),
        (
            "historical-candles",
            {"interval": "1m", "start_time": 20, "end_time": 10},
            400,
            "before it begins",
        ),
        (
            "historical-candles",
            {"interval": "1m", "start_time": 0, "end_time": 2_000_000_000},
            400,
            "at most 50000",
        ),
        (
            "historical-candles",
            {"interval": "1d", "start_time": 4_000_000_000, "end_time": 4_100_000_000},
            404,
            "no candles",
        ),
    ],
)
def test_what_there_is_not_says_why(
    paper: Live, path: str, body: dict[str, Any], status: int, word: str
) -> None:
    answer = paper.client.post(f"/market-data/{path}", json={**PAIR, **body})
    assert answer.status_code == status, answer.text
    assert word in answer.json()["detail"]


def test_connectors_with_candles_are_those_behind_which_there_is_a_venue(paper: Live) -> None:
    assert paper.client.get("/market-data/available-candle-connectors").json() == ["paper"]


def test_a_market_that_pauses_is_looked_at_further_back(stage: Stage) -> None:
    now = int(time.time())
    begin = minute(0) // 60_000_000
    this_minute = now // 60 - begin
    stage.paper.bars = bars({this_minute - 300, this_minute - 250, this_minute})
    stage.paper.now_us = now * 1_000_000
    rows = asked(stage.live, "candles", interval="1m", max_records=100)
    assert [row["timestamp"] // 60 - begin for row in rows] == [
        this_minute - 300,
        this_minute - 250,
        this_minute,
    ]


def test_no_more_is_fetched_than_is_asked_for(stage: Stage) -> None:
    now = int(time.time()) // 60 * 60
    begin = minute(0) // 60_000_000
    stage.paper.bars = bars(set(range(now // 60 - begin - 3_000, now // 60 - begin)))
    stage.paper.now_us = now * 1_000_000
    stage.paper.page_max = 100
    query = f"connector_name=paper&start_time={now - 3_000 * 60}&limit=200"
    rows = stage.client.get(f"/market-data/candles/EUR-USD?{query}").json()
    assert [row["timestamp"] for row in rows] == [now - 60 * n for n in range(3_000, 2_800, -1)]
    assert stage.paper.asked["candles 1m"] == 2


def test_what_takes_too_long_is_a_504(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.market.candles.LIMIT_SECONDS", 0.2)
    monkeypatch.setattr(stage.paper, "candles", market_never)
    answer = stage.client.post("/market-data/candles", json=PAIR)
    assert (answer.status_code, answer.json()["code"]) == (504, "venue_late")
    assert "kept" in answer.json()["detail"]


async def market_never(*_: object) -> None:
    await asyncio.Event().wait()


def test_without_the_store_there_are_prices_but_no_candles(tmp_path: Path) -> None:
    nowhere = "postgresql://someone:hush@127.0.0.1:1/aviary"
    with staged(Database("aviary", nowhere, nowhere), tmp_path) as stage:
        answer = stage.client.post("/market-data/candles", json=PAIR)
        assert (answer.status_code, answer.json()["code"]) == (503, "store_unavailable")
        assert "hush" not in answer.text
        assert stage.client.post("/market-data/order-book", json=PAIR).status_code == 200


def test_the_limit_of_one_answer_is_a_month_of_minutes() -> None:
    assert market_data_candles.ROWS_MAX >= 31 * 24 * 60
