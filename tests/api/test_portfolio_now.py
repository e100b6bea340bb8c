"""What accounts hold, on the wire: state, balances, and how value is distributed."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from domain.account import DeleteAccount
from domain.portfolio import SilentVenue
from tests.api.holding import MINUTE_US, NOON_US, both, observe
from tests.api.live import Live

pytestmark = pytest.mark.postgres
PATHS = ("state", "balances", "distribution", "accounts-distribution")


@pytest.fixture
def held(live: Live) -> Live:
    """Three accounts, five connectors, one token that nobody prices."""
    observe(
        live,
        "master_account",
        NOON_US,
        {
            "binance": {"BTC": ("0.5", "60000.10"), "XYZ": ("7", None)},
            "paper": {"EUR": ("1000", "1.25")},
        },
    )
    observe(
        live,
        "second",
        NOON_US,
        {"binance": {"BTC": ("0.25", "60000.10")}, "okx": {"USDT": ("100", "1")}},
    )
    observe(live, "third", NOON_US, {"paper": {}})
    live.project()
    return live


def test_the_state_is_a_bare_map_with_all_digits(held: Live) -> None:
    state = both(held, "state", {})
    assert list(state) == ["master_account", "second", "third"]
    assert state["master_account"]["paper"] == [
        {"token": "EUR", "units": 1000, "price": 1.25, "value": 1250, "available_units": 1000}
    ]
    assert state["third"] == {"paper": []}
    exact = held.client.post("/portfolio/state", content=b"").content
    assert b'"units":0.5,"price":60000.10,"value":30000.050,' in exact


def test_a_token_without_a_price_is_named_and_in_no_sum(held: Live) -> None:
    row = both(held, "state", {})["master_account"]["binance"][1]
    assert row == {"token": "XYZ", "units": 7, "price": None, "available_units": 7}
    balances = both(held, "balances", {})
    assert (balances["unpriced"], balances["quotes"]) == (["XYZ"], ["USDT"])
    assert balances["balances"][-1] == {
        "token": "XYZ",
        "units": 7,
        "price": None,
        "value": None,
        "available_units": 7,
        "unpriced_units": 7,
    }
    assert balances["total_value"] == 30000.05 + 15000.025 + 1250 + 100
    for path in ("distribution", "accounts-distribution"):
        answer = both(held, path, {})
        assert answer["unpriced"] == ["XYZ"]
        assert answer["total_portfolio_value"] == balances["total_value"]
    assert "XYZ" not in both(held, "distribution", {})["tokens"]


def test_balances_are_summed_by_token_beside_the_state(held: Live) -> None:
    balances = both(held, "balances", {})
    assert balances["balances"][0] == {
        "token": "BTC",
        "units": 0.75,
        "price": 60000.1,
        "value": 45000.075,
        "available_units": 0.75,
    }
    assert [row["token"] for row in balances["balances"]] == ["BTC", "EUR", "USDT", "XYZ"]
    assert balances["accounts"] == both(held, "state", {})


def test_the_distribution_by_token(held: Live) -> None:
    answer = both(held, "distribution", {"account_names": ["master_account", "second"]})
    assert answer["account_filter"] == "master_account,second"
    assert (answer["token_count"], len(answer["distribution"])) == (3, 3)
    whole = answer["total_portfolio_value"]
    assert whole == 46350.075
    assert answer["distribution"][0] == {
        "token": "BTC",
        "total_value": 45000.075,
        "total_units": 0.75,
        "percentage": round(45000.075 / whole * 100, 4),
        "accounts": {
            "master_account": {
                "value": 30000.05,
                "units": 0.5,
                "percentage": round(30000.05 / whole * 100, 4),
                "connectors": {"binance": {"value": 30000.05, "units": 0.5}},
            },
            "second": {
                "value": 15000.025,
                "units": 0.25,
                "percentage": round(15000.025 / whole * 100, 4),
                "connectors": {"binance": {"value": 15000.025, "units": 0.25}},
            },
        },
    }
    first = answer["distribution"][0]
    assert answer["tokens"]["BTC"] == {"value": 45000.075, "percentage": first["percentage"]}
    assert both(held, "distribution", {})["account_filter"] == "all_accounts"
    assert both(held, "distribution", {"account_names": ["second"]})["account_filter"] == "second"


def test_the_distribution_by_account(held: Live) -> None:
    answer = both(held, "accounts-distribution", {})
    assert answer["account_count"] == 3
    assert [row["account"] for row in answer["distribution"]] == [
        "master_account",
        "second",
        "third",
    ]
    assert answer["distribution"][0]["connectors"] == {
        "binance": {"value": 30000.05, "percentage": 64.7249},
        "paper": {"value": 1250, "percentage": 2.6969},
    }
    assert answer["distribution"][2] == {
        "account": "third",
        "total_value": 0,
        "percentage": 0,
        "connectors": {"paper": {"value": 0, "percentage": 0}},
    }


@pytest.mark.parametrize("path", PATHS)
def test_a_filtered_read_changes_nothing_for_the_next_one(held: Live, path: str) -> None:
    before = both(held, path, {})
    filtered = both(
        held, path, {"account_names": ["second", "nobody"], "connector_names": ["okx", "paper"]}
    )
    assert filtered != before
    assert both(held, path, {}) == before


def test_filters_take_several_names(held: Live) -> None:
    asked = {"account_names": ["second", "master_account"], "connector_names": ["okx", "paper"]}
    state = both(held, "state", asked)
    assert {account: list(its) for account, its in state.items()} == {
        "master_account": ["paper"],
        "second": ["okx"],
    }
    assert both(held, "balances", asked)["total_value"] == 1350
    assert both(held, "state", {"account_names": ["nobody"]}) == {}
    assert both(held, "distribution", {"account_names": ["nobody"]})["distribution"] == []


def test_a_silent_venue_is_said_and_what_it_told_is_shown_as_stale(held: Live) -> None:
    silent = (
        SilentVenue("binance", "timed out"),
        SilentVenue("okx", "Service\r\nunavailable \u20ac"),
    )
    paper = {"paper": {"EUR": ("900", "1.25")}}
    observe(held, "master_account", NOON_US + MINUTE_US, paper, silent)
    held.project()
    answer = held.client.get("/portfolio/state")
    state = answer.json()["master_account"]
    assert [row["is_stale"] for row in state["binance"]] == [True, True]
    assert state["binance"][0]["value"] == 30000.05
    assert "is_stale" not in state["paper"][0]
    assert "okx" not in state  # It has never told anything.
    assert answer.headers["Aviary-Incomplete"] == (
        "master_account/binance: timed out; master_account/okx: Service unavailable ?"
    )
    only_paper = held.client.get("/portfolio/state", params={"connector_names": "paper"})
    assert "Aviary-Incomplete" not in only_paper.headers
    both_told = {**paper, "binance": {"BTC": ("1", "2")}}
    observe(held, "master_account", NOON_US + 2 * MINUTE_US, both_told)
    held.project()
    again = held.client.get("/portfolio/state")
    assert "Aviary-Incomplete" not in again.headers
    assert "is_stale" not in again.json()["master_account"]["binance"][0]


def test_an_account_whose_venues_never_told_anything_is_there_without_any(live: Live) -> None:
    observe(live, "silent", NOON_US, {}, (SilentVenue("binance", "timed out"),))
    live.project()
    answer = live.client.get("/portfolio/state")
    assert answer.json() == {"silent": {}}
    assert answer.headers["Aviary-Incomplete"] == "silent/binance: timed out"
    assert both(live, "balances", {})["total_value"] == 0


def test_a_deleted_account_is_in_the_portfolio_no_more(held: Live) -> None:
    held.execute("account-second", DeleteAccount("second"), "delete")
    held.project()
    assert list(both(held, "state", {})) == ["master_account", "third"]


def test_nothing_observed_is_an_empty_portfolio(live: Live) -> None:
    live.project()
    assert both(live, "state", {}) == {}
    assert both(live, "balances", {})["balances"] == []
    empty = both(live, "distribution", {})
    assert (empty["total_portfolio_value"], empty["distribution"], empty["tokens"]) == (0, [], {})
    assert both(live, "accounts-distribution", {})["account_count"] == 0


def test_figures_that_no_float_holds_are_exact(live: Live) -> None:
    units, price = "123456789012345678.123456789012345678", "0.000000000000000003"
    many = {"paper": {"AAA": (units, price), "BBB": ("0.1", "0.2"), "CCC": ("-3", "2")}}
    observe(live, "master_account", NOON_US, many)
    live.project()
    answer = live.client.get("/portfolio/balances").content
    exact = msgspec.json.decode(answer, type=dict[str, Any])
    assert exact["unpriced"] == []
    row = msgspec.json.decode(answer, type=_Balances).balances[0]
    assert row.units == Decimal(units)
    assert row.price == Decimal(price)


class _Row(msgspec.Struct):
    units: Decimal
    price: Decimal


class _Balances(msgspec.Struct):
    balances: list[_Row]


@pytest.mark.parametrize("path", [*PATHS, "history"])
@pytest.mark.parametrize(
    "asked",
    [
        {"account_names": "master_account"},
        {"account_names": [7]},
        {"account_names": ["bad\x00name"]},
        {"connector_names": {}},
        {"account_names": ["x" * 300]},
    ],
)
def test_what_is_no_filter_is_refused(shared: Live, path: str, asked: dict[str, Any]) -> None:
    answer = shared.client.post(f"/portfolio/{path}", json=asked)
    assert answer.status_code == 422, answer.text
    assert answer.json()["detail"][0]["loc"][0] == "body"
