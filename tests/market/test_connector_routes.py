"""Connectors on the wire: shipped facts, and rules that the venue tells."""

from decimal import Decimal
from typing import Any

import pytest
from msgspec import structs

from adapters.venues.connectors import connectors
from tests.api.live import EUR_USD
from tests.market.conftest import Stage

pytestmark = pytest.mark.postgres


def test_all_names_are_listed_whether_or_not_they_are_served(shared_stage: Stage) -> None:
    for path in ("/connectors", "/connectors/"):
        names = shared_stage.client.get(path).json()
        assert len(names) == 64
        assert {"paper", "binance", "binance_perpetual", "xrpl"} <= set(names)
        assert not [name for name in names if "/" in name]


def test_one_connector_is_shown_with_its_fields(shared_stage: Stage) -> None:
    shown = shared_stage.client.get("/connectors/binance_perpetual").json()
    assert shown["name"] == "binance_perpetual"
    assert shown["is_perpetual"] is True
    assert shown["supported_order_types"] == ["LIMIT", "LIMIT_MAKER", "MARKET"]
    assert shown["config_map"]["binance_perpetual_api_key"] == {
        "type": "SecretStr",
        "required": True,
    }
    assert (
        shared_stage.client.get("/connectors/binance_perpetual/config-map").json()
        == (shown["config_map"])
    )
    assert shared_stage.client.get("/connectors/binance_perpetual/order-types").json() == {
        "connector": "binance_perpetual",
        "supported_order_types": ["LIMIT", "LIMIT_MAKER", "MARKET"],
    }


def test_allowed_values_are_shown_where_there_are_any(shared_stage: Stage) -> None:
    found = [
        (name, field)
        for name, connector in connectors().items()
        for field, facts in connector.config_map.items()
        if facts.allowed_values
    ]
    assert found
    for name, field in found:
        shown = shared_stage.client.get(f"/connectors/{name}/config-map").json()[field]
        assert shown["allowed_values"] == list(
            connectors()[name].config_map[field].allowed_values or ()
        )


@pytest.mark.parametrize("path", ["", "/config-map", "/order-types", "/trading-rules", "/markets"])
def test_an_unknown_connector_is_a_404(shared_stage: Stage, path: str) -> None:
    answer = shared_stage.client.get(f"/connectors/nothing{path}")
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_connector")
    assert "nothing" in answer.json()["detail"]


@pytest.mark.parametrize("path", ["/trading-rules", "/markets"])
def test_a_connector_without_a_venue_behind_it_says_so(shared_stage: Stage, path: str) -> None:
    answer = shared_stage.client.get(f"/connectors/xrpl{path}")
    assert (answer.status_code, answer.json()["code"]) == (400, "no_venue")
    assert "no venue behind it" in answer.json()["detail"]


def test_rules_have_the_twelve_fields_of_the_predecessor(shared_stage: Stage) -> None:
    answer = shared_stage.client.get("/connectors/paper/trading-rules")
    assert answer.json()["EUR-USD"] == {
        "min_order_size": 1,
        "max_order_size": 1_000_000,
        "min_price_increment": 0.0001,
        "min_base_amount_increment": 0.1,
        "min_quote_amount_increment": 1e-56,
        "min_notional_size": 5,
        "min_order_value": 0,
        "max_price_significant_digits": 1e56,
        "supports_limit_orders": True,
        "supports_market_orders": True,
        "buy_order_collateral_token": "USD",
        "sell_order_collateral_token": "USD",
    }
    assert int(answer.headers["Age"]) <= 60


def test_a_rule_that_is_not_set_has_the_predecessor_s_default(stage: Stage) -> None:
    stage.perpetual.rules = (
        structs.replace(
            EUR_USD, tick=Decimal(0), lot=Decimal(0), quantity_max=None, order_types=("LIMIT",)
        ),
    )
    rule = stage.client.get("/connectors/binance_perpetual/trading-rules").json()["EUR-USD"]
    assert rule["min_price_increment"] == rule["min_base_amount_increment"] == 1e-56
    assert rule["max_order_size"] == 1e56
    assert rule["supports_market_orders"] is False


def test_unknown_pairs_are_named_beside_the_known(shared_stage: Stage) -> None:
    shown = shared_stage.client.get(
        "/connectors/paper/trading-rules", params={"trading_pairs": ["BTC-USD", "NO-PAIR"]}
    ).json()
    assert set(shown) == {"BTC-USD", "NO-PAIR"}
    assert shown["BTC-USD"]["min_order_size"] == 1
    assert "NO-PAIR" in shown["NO-PAIR"]["error"]


def test_markets_are_the_pairs_of_the_rules(shared_stage: Stage) -> None:
    shown: dict[str, Any] = shared_stage.client.get("/connectors/paper/markets").json()
    assert 0 <= shown.pop("age_seconds") < 60
    assert shown == {"connector": "paper", "trading_pairs": ["BTC-USD", "EUR-USD"], "count": 2}


def test_the_age_of_rules_is_that_of_what_the_venue_said(stage: Stage) -> None:
    stage.perpetual.rules_age_seconds = 900.0
    answer = stage.client.get("/connectors/binance_perpetual/markets")
    assert int(answer.headers["Age"]) >= 900
    assert answer.json()["age_seconds"] >= 900


def test_rules_once_read_are_served_while_the_venue_is_away(stage: Stage) -> None:
    assert stage.client.get("/connectors/binance_perpetual/markets").status_code == 200
    stage.perpetual.is_away = True
    shown = stage.client.get("/connectors/binance_perpetual/markets")
    assert shown.json()["trading_pairs"] == ["EUR-USD"]
    assert stage.perpetual.asked["rules"] == 1
