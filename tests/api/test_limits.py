"""Limits of an account by HTTP, and orders beyond them."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from adapters.venues.port import Ticker, VenueRefused
from commands.codec import decode_recorded
from domain.order_messages import OrderValued
from tests.api.live import EUR_USD, Live, running
from tests.market.scripted import ScriptedVenue
from tests.postgres_fixture import Database

pytestmark = pytest.mark.postgres
PATH = "/trading/limits/master_account"


def limit(live: Live, **limits: Any) -> None:
    answer = live.client.put(PATH, json=limits)
    assert answer.status_code == 200, answer.text
    live.project()


def test_limits_are_set_and_shown_with_what_is_used(live: Live) -> None:
    answer = live.client.put(PATH, json={"notional_per_order": "1000.50", "open_orders": 3})
    expected = {
        "account_name": "master_account",
        "notional_per_order": 1000.5,
        "open_orders": 3,
        "orders_per_minute": None,
    }
    assert answer.json() == expected
    assert b"1000.50" in answer.content
    live.placed()
    live.project()
    shown = live.client.get(PATH).json()
    assert shown.pop("set_at").endswith("+00:00")
    assert shown.pop("orders_this_minute") in {0, 1}  # The minute may have ended.
    assert shown == expected | {"open_orders_now": 1, "set_by": "user:tester"}


def test_without_limits_there_are_none(live: Live) -> None:
    live.project()
    shown = live.client.get(PATH).json()
    assert {shown[name] for name in ("notional_per_order", "open_orders", "set_by")} == {None}
    assert live.client.get("/trading/limits/nobody").status_code == 404
    assert live.client.put("/trading/limits/nobody", json={}).status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        {"open_orders": -1},
        {"open_order": 1},  # Left out it would be no limit.
        {"open_orders": 1.5},
        {"orders_per_minute": "x"},
        {"notional_per_order": -1},
        {"notional_per_order": "NaN"},
    ],
)
def test_what_is_no_limit_is_a_422(shared: Live, body: dict[str, Any]) -> None:
    answer = shared.client.put(PATH, json=body)
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", next(iter(body))]


def test_an_order_worth_too_much_is_refused_with_both_figures(live: Live) -> None:
    limit(live, notional_per_order=104)
    refused = live.place()  # 100 at 1.05
    assert (refused.status_code, refused.json()["code"]) == (400, "notional_limit")
    assert "105" in refused.json()["detail"]
    assert "104" in refused.json()["detail"]
    live.placed(amount=99)


def test_a_market_order_is_held_against_the_venue_s_best_price(
    database: Callable[..., Database], seeded: Database, tmp_path: Path
) -> None:
    venue = ScriptedVenue(EUR_USD)
    venue.pair_tickers["EUR-USD"] = Ticker(
        pair="EUR-USD", bid=Decimal("1.04"), ask=Decimal("1.06"), last=Decimal("1.05"), at_us=1
    )
    market = {"order_type": "MARKET", "price": None}
    with running(database(template=seeded), tmp_path, {"paper": venue}) as live:
        live.placed(**market)
        assert venue.asked["tickers"] == 0  # Nobody asks for prices that no limit needs.
        limit(live, notional_per_order=106)
        for side, price in (("BUY", "1.06"), ("SELL", "1.04")):
            order_id = live.placed(**market, trade_type=side)
            recorded = live.deps.store.read_stream(f"order-{order_id}")
            assert decode_recorded(recorded[1]) == OrderValued(Decimal(price))
        limit(live, notional_per_order="105.99")
        assert live.place(**market).json()["code"] == "notional_limit"
        live.placed(**market, trade_type="SELL")


def test_a_low_price_makes_no_sale_small(
    database: Callable[..., Database], seeded: Database, tmp_path: Path
) -> None:
    venue = ScriptedVenue(EUR_USD)
    venue.pair_tickers["EUR-USD"] = Ticker(
        pair="EUR-USD", bid=Decimal("1.04"), ask=Decimal("1.06"), last=Decimal("1.05"), at_us=1
    )
    with running(database(template=seeded), tmp_path, {"paper": venue}) as live:
        limit(live, notional_per_order=103)
        refused = live.place(trade_type="SELL", price="1")  # It would be sold at 1.04.
        assert (refused.status_code, refused.json()["code"]) == (400, "notional_limit")
        live.placed(trade_type="SELL", price="1", amount=99)


def test_without_a_price_a_market_order_is_refused(
    database: Callable[..., Database], seeded: Database, tmp_path: Path
) -> None:
    venue = ScriptedVenue(EUR_USD)
    with running(database(template=seeded), tmp_path, {"paper": venue}) as live:
        assert live.client.get("/connectors/paper/trading-rules").status_code == 200
        venue.refusal = VenueRefused("down", "for maintenance")
        limit(live, notional_per_order=1_000_000)
        refused = live.place(order_type="MARKET", price=None)
        assert (refused.status_code, refused.json()["code"]) == (409, "price_unknown")


def test_open_orders_and_orders_of_a_minute_are_limited(live: Live) -> None:
    limit(live, open_orders=2)
    first = live.placed()
    live.placed()
    refused = live.place()
    assert (refused.status_code, refused.json()["code"]) == (409, "open_orders_limit")
    live.project()
    live.client.delete(f"/trading/orders/{first}")
    live.placed()
    limit(live, orders_per_minute=0)
    refused = live.place()
    assert (refused.status_code, refused.json()["code"]) == (429, "orders_per_minute_limit")


def test_an_installation_has_a_bound_of_its_own(
    database: Callable[..., Database], seeded: Database, tmp_path: Path
) -> None:
    with running(database(template=seeded), tmp_path, open_orders_max=1) as live:
        live.placed()
        refused = live.place()
        assert (refused.status_code, refused.json()["code"]) == (429, "too_many_open_orders")
        dry = live.client.post(
            "/trading/orders",
            params={"dry_run": "true"},
            json={
                "account_name": "master_account",
                "connector_name": "paper",
                "trading_pair": "EUR-USD",
                "trade_type": "BUY",
                "amount": 100,
                "price": "1.05",
            },
        )
        assert (dry.status_code, dry.json()["code"]) == (429, "too_many_open_orders")
