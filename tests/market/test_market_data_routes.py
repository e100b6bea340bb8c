"""Prices, tickers, rates, funding and order books on the wire."""

from typing import Any

import pytest

from adapters.venues.port import VenueRefused
from tests.market.conftest import Stage

pytestmark = pytest.mark.postgres


def post(stage: Stage, path: str, **body: Any) -> Any:
    answer = stage.client.post(f"/market-data/{path}", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_known_prices_are_answered_and_unknown_pairs_named(shared_stage: Stage) -> None:
    shown = post(
        shared_stage,
        "prices",
        connector_name="paper",
        trading_pairs=["EUR-USD", "NO-PAIR", "BTC-USD"],
    )
    assert shown.pop("timestamp") > 1_700_000_000
    assert shown == {
        "connector": "paper",
        "prices": {"EUR-USD": 1.1, "BTC-USD": 50000},
        "unknown": ["NO-PAIR"],
    }


def test_prices_of_nothing_but_unknown_pairs_are_a_404(shared_stage: Stage) -> None:
    body = {"connector_name": "paper", "trading_pairs": ["NO-PAIR"]}
    answer = shared_stage.client.post("/market-data/prices", json=body)
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_pair")
    assert "NO-PAIR" in answer.json()["detail"]


@pytest.mark.usefixtures("unhurried")
def test_a_price_is_asked_for_once_by_all_who_want_it_in_a_second(stage: Stage) -> None:
    for _ in range(3):
        post(stage, "prices", connector_name="paper", trading_pairs=["EUR-USD"])
    assert stage.paper.asked["tickers"] == 1


def test_tickers_are_grouped_by_connector(stage: Stage) -> None:
    for connectors in ("paper,binance_perpetual", ["paper", "binance_perpetual"]):
        shown = stage.client.get("/market-data/tickers", params={"connectors": connectors}).json()
        assert shown["counts"] == {"paper": 2, "binance_perpetual": 2}
        assert shown["tickers"]["paper"]["EUR-USD"] == {
            "price": 1.1,
            "base_volume": None,
            "quote_volume": 1000,
            "timestamp": 1_700_000_000,
        }
        assert set(shown["updated_at"]) == {"paper", "binance_perpetual"}
        assert shown["errors"] == {}
    assert stage.paper.asked["tickers"] == 1
    one = stage.client.get("/market-data/tickers/paper").json()
    assert one["tickers"] == {"paper": shown["tickers"]["paper"]}


def test_tickers_are_fetched_anew_when_that_is_asked_for(stage: Stage) -> None:
    for query in ("refresh=true", "max_age=0", "refresh=false&max_age=60"):
        answer = stage.client.get(f"/market-data/tickers?connectors=paper&{query}")
        assert answer.status_code == 200
    assert stage.paper.asked["tickers"] == 2


def test_the_pool_holds_connectors_in_use(stage: Stage) -> None:
    stage.client.get("/connectors/paper/markets")
    shown = stage.client.get("/market-data/tickers").json()
    assert "paper" in shown["tickers"]


def test_a_connector_that_fails_is_an_error_beside_the_others(stage: Stage) -> None:
    stage.perpetual.is_away = True
    shown = stage.client.get("/market-data/tickers?connectors=paper,binance_perpetual").json()
    assert shown["counts"] == {"paper": 2, "binance_perpetual": 0}
    assert shown["updated_at"]["binance_perpetual"] is None
    assert "nobody answers" in shown["errors"]["binance_perpetual"]


def test_old_tickers_stay_when_their_venue_goes(stage: Stage) -> None:
    first = stage.client.get("/market-data/tickers?connectors=paper").json()
    stage.paper.is_away = True
    shown = stage.client.get("/market-data/tickers?connectors=paper&refresh=true").json()
    assert shown["tickers"] == first["tickers"]
    assert shown["updated_at"] == first["updated_at"]
    assert "nobody answers" in shown["errors"]["paper"]


@pytest.mark.parametrize(
    ("connectors", "status"),
    [("nothing", 404), ("paper,nothing", 404), ("xrpl", 400), ("paper", 502)],
)
def test_tickers_that_nobody_can_serve_are_refused(
    stage: Stage, connectors: str, status: int
) -> None:
    stage.paper.is_away = True
    answer = stage.client.get("/market-data/tickers", params={"connectors": connectors})
    assert answer.status_code == status, answer.text


def test_a_venue_without_tickers_is_said_to_have_none(stage: Stage) -> None:
    stage.paper.refusal = VenueRefused("not_supported", "no tickers")
    answer = stage.client.get("/market-data/tickers/paper")
    assert (answer.status_code, answer.json()["code"]) == (400, "not_supported")


def test_a_ticker_without_a_connector_is_of_the_largest_turnover(shared_stage: Stage) -> None:
    shared_stage.client.get("/market-data/tickers?connectors=paper,binance_perpetual")
    assert shared_stage.client.get("/market-data/ticker/EUR-USD").json() == {
        "trading_pair": "EUR-USD",
        "connector": "binance_perpetual",
        "price": 1.11,
        "bid": 1.11,
        "ask": 1.11,
        "base_volume": None,
        "quote_volume": 2000,
        "timestamp": 1_700_000_000,
    }
    named = shared_stage.client.get("/market-data/ticker/EUR-USD?connector_name=paper").json()
    assert (named["connector"], named["price"]) == ("paper", 1.1)
    for query in ("", "?connector_name=paper"):
        answer = shared_stage.client.get(f"/market-data/ticker/NO-PAIR{query}")
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_pair")


def test_rates_are_direct_reverse_bridged_or_null(shared_stage: Stage) -> None:
    shared_stage.client.get("/market-data/tickers?connectors=paper,binance_perpetual")
    shown = post(
        shared_stage,
        "rates",
        trading_pairs=["BTC-USD", "USD-BTC", "ETH-USD", "BTC-BTC", "DOGE-USD", "nonsense"],
    )
    assert shown == {
        "quote_token": "USDT",
        "connector": None,
        "rates": {
            "BTC-USD": 50000,
            "USD-BTC": 0.00002,
            "ETH-USD": 2000,
            "BTC-BTC": 1,
            "DOGE-USD": None,
            "nonsense": None,
        },
    }
    assert shared_stage.client.get("/market-data/rate/ETH-USD").json() == {
        "trading_pair": "ETH-USD",
        "rate": 2000,
        "quote_token": "USDT",
        "connector": None,
    }


def test_a_rate_of_one_connector_uses_its_tickers_alone(stage: Stage) -> None:
    shown = post(stage, "rates", trading_pairs=["ETH-USD", "BTC-USD"], connector="paper")
    assert shown["rates"] == {"ETH-USD": None, "BTC-USD": 50000}
    assert shown["connector"] == "paper"
    stage.perpetual.is_away = True
    one = stage.client.get("/market-data/rate/ETH-BTC?connector=binance_perpetual").json()
    assert one["rate"] is None


def test_funding_is_of_perpetuals(shared_stage: Stage) -> None:
    shown = post(
        shared_stage, "funding-info", connector_name="binance_perpetual", trading_pair="EUR-USD"
    )
    assert shown == {
        "trading_pair": "EUR-USD",
        "funding_rate": 0.0001,
        "next_funding_time": 1_700_000_000,
        "mark_price": 1.1,
        "index_price": None,
    }
    body = {"connector_name": "paper", "trading_pair": "EUR-USD"}
    answer = shared_stage.client.post("/market-data/funding-info", json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "not_perpetual")


@pytest.mark.usefixtures("unhurried")
def test_a_book_has_levels_with_names(stage: Stage) -> None:
    shown = post(stage, "order-book", connector_name="paper", trading_pair="EUR-USD", depth=1)
    assert shown == {
        "trading_pair": "EUR-USD",
        "bids": [{"price": 1.09, "amount": 10}],
        "asks": [{"price": 1.1, "amount": 5}],
        "timestamp": 1_700_000_000.5,
    }
    same = stage.client.get("/market-data/orderbook/EUR-USD?connector_name=paper&depth=1")
    assert same.json() == shown
    assert stage.paper.asked["book"] == 1


QUESTION = {"connector_name": "paper", "trading_pair": "EUR-USD"}


@pytest.mark.parametrize(
    ("path", "asked", "shown"),
    [
        (
            "price-for-volume",
            {"is_buy": True, "volume": 6},
            {"query_volume": 6, "result_price": 1.2, "result_volume": 6},
        ),
        (
            "price-for-volume",
            {"is_buy": False, "volume": "40"},
            {"query_volume": 40, "result_volume": 30.5, "is_partial": True},
        ),
        (
            "volume-for-price",
            {"is_buy": True, "price": 1.15},
            {"query_price": 1.15, "result_price": 1.1, "result_volume": 5},
        ),
        (
            "price-for-quote-volume",
            {"is_buy": True, "quote_volume": 5.5},
            {"query_quote_volume": 5.5, "result_price": 1.1, "result_quote_volume": 5.5},
        ),
        (
            "quote-volume-for-price",
            {"is_buy": False, "price": 1.0},
            {"query_price": 1, "result_quote_volume": 33.04, "is_partial": True},
        ),
        (
            "vwap-for-volume",
            {"is_buy": True, "volume": 10},
            {"query_volume": 10, "average_price": 1.15, "result_volume": 10},
        ),
    ],
)
def test_a_book_answers_what_a_volume_costs(
    shared_stage: Stage, path: str, asked: dict[str, Any], shown: dict[str, Any]
) -> None:
    found = post(shared_stage, f"order-book/{path}", **QUESTION, **asked)
    empty = dict.fromkeys(
        (
            *("query_volume", "query_price", "query_quote_volume", "result_price"),
            *("result_volume", "result_quote_volume", "average_price"),
        )
    )
    assert found == {
        **empty,
        "trading_pair": "EUR-USD",
        "is_buy": asked["is_buy"],
        "timestamp": 1_700_000_000.5,
        "is_partial": False,
        **shown,
    }


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("order-book", {**QUESTION, "depth": 0}),
        ("order-book", {**QUESTION, "depth": 1001}),
        ("order-book", {"connector_name": "a/b", "trading_pair": "EUR-USD"}),
        ("order-book/price-for-volume", {**QUESTION, "is_buy": True, "volume": -1}),
        ("order-book/price-for-volume", {**QUESTION, "is_buy": True, "volume": 1e30}),
        ("order-book/price-for-volume", {**QUESTION, "is_buy": True, "volume": "NaN"}),
        ("order-book/price-for-volume", {**QUESTION, "is_buy": True, "volume": None}),
        ("order-book/price-for-volume", {**QUESTION, "is_buy": True, "volume": {}}),
        ("order-book/price-for-volume", {**QUESTION, "volume": 1}),
        ("prices", {"connector_name": "paper", "trading_pairs": []}),
        ("prices", {"connector_name": "paper", "trading_pairs": ["A-B"] * 501}),
        ("rates", {"trading_pairs": ["a b"]}),
        ("candles", {**QUESTION, "max_records": 0}),
        ("historical-candles", {**QUESTION, "interval": "1m"}),
    ],
)
def test_what_cannot_be_asked_is_a_422(
    shared_stage: Stage, path: str, body: dict[str, Any]
) -> None:
    answer = shared_stage.client.post(f"/market-data/{path}", json=body)
    assert answer.status_code == 422, answer.text
    assert isinstance(answer.json()["detail"], list)


@pytest.mark.parametrize(
    ("refusal", "status"),
    [
        (VenueRefused("unknown_pair", "no such pair"), 404),
        (VenueRefused("not_supported", "no books"), 400),
        (VenueRefused("restricted", "not from your country"), 502),
        (None, 502),
    ],
)
def test_what_a_venue_refuses_is_said(
    stage: Stage, refusal: VenueRefused | None, status: int
) -> None:
    stage.paper.refusal = refusal
    stage.paper.is_away = refusal is None
    answer = stage.client.post("/market-data/order-book", json=QUESTION)
    assert answer.status_code == status
    assert (refusal.text if refusal else "nobody answers") in answer.json()["detail"]


def test_pool_prices_are_empty_without_gateway(shared_stage: Stage) -> None:
    shown = shared_stage.client.get("/market-data/pool-prices").json()
    assert shown == {"quote_token": "USDT", "prices_count": 0, "prices": {}}


def test_questions_are_counted_by_their_answers(stage: Stage) -> None:
    post(stage, "order-book", **QUESTION)
    stage.client.post("/market-data/order-book", json={**QUESTION, "connector_name": "nothing"})
    stage.client.get("/connectors/paper/markets")
    lines = stage.client.get("/metrics").text.splitlines()
    for line in (
        'market_requests_total{connector="paper",operation="book",outcome="answered"} 1.0',
        'market_requests_total{connector="unknown",operation="book",outcome="refused"} 1.0',
    ):
        assert line in lines
    assert [ln for ln in lines if ln.startswith('trading_rules_age_seconds{connector="paper"}')]
