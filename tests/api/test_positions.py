"""Positions and funding payments on the wire, as workers have recorded them."""

from decimal import Decimal
from typing import Any

import httpx
import pytest

from domain import funding, position
from domain.funding import RecordFunding
from domain.position import ObserveNoPosition, ObservePosition, PositionSide
from tests.api.live import Live
from tests.api.perpetual import ACCOUNT, CONNECTOR, PAIR

pytestmark = pytest.mark.postgres


def observe(
    live: Live, quantity: str, pair: str = PAIR, side: PositionSide = "LONG", at: int = 1
) -> None:
    command = ObservePosition(
        ACCOUNT,
        CONNECTOR,
        pair,
        side,
        Decimal(quantity),
        Decimal("50000.10"),
        None,
        Decimal(20),
        at,
    )
    live.execute(position.stream(ACCOUNT, CONNECTOR, pair), command, f"{quantity} {pair} {side}")


def test_positions_are_shown_as_they_were_observed(live: Live) -> None:
    observe(live, "0.5")
    live.project()
    [shown] = live.client.get("/trading/positions").json()["data"]
    assert shown == {
        "account_name": ACCOUNT,
        "connector_name": CONNECTOR,
        "trading_pair": PAIR,
        "side": "LONG",
        "amount": 0.5,
        "entry_price": 50000.1,
        "unrealized_pnl": None,
        "leverage": 20,
        "observed_at": "1970-01-01T00:00:00.000001+00:00",
        "checked_at": None,
        "check_error": None,
        "difference": None,
    }


def pages(live: Live, path: str, limit: int, **filters: Any) -> list[list[dict[str, Any]]]:
    found, cursor = [], None
    while True:
        body = {"limit": limit, "cursor": cursor, **filters}
        answer = live.client.post(path, json=body)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        found.append(page["data"])
        if not page["pagination"]["has_more"]:
            return found
        cursor = page["pagination"]["next_cursor"]


def test_both_sides_of_a_pair_are_paged_each_once(live: Live) -> None:
    pairs = [f"P{number}-USDT" for number in range(5)]
    for pair in pairs:
        observe(live, "1", pair, "LONG")
        observe(live, "2", pair, "SHORT")
    live.project()
    found = [row for page in pages(live, "/trading/positions", 1) for row in page]
    assert [(row["trading_pair"], row["side"]) for row in found] == [
        (pair, side) for pair in pairs for side in ("LONG", "SHORT")
    ]


def test_a_position_that_changes_while_it_is_paged_is_neither_lost_nor_doubled(
    live: Live,
) -> None:
    for number in range(4):
        observe(live, "1", f"P{number}-USDT")
    live.project()
    first = live.client.post("/trading/positions", json={"limit": 2}).json()
    observe(live, "9", "P0-USDT", at=2)
    stream = position.stream(ACCOUNT, CONNECTOR, "P1-USDT")
    live.execute(stream, ObserveNoPosition(ACCOUNT, CONNECTOR, "P1-USDT", "LONG", 2), "gone")
    live.project()
    cursor = first["pagination"]["next_cursor"]
    rest = live.client.post("/trading/positions", json={"limit": 9, "cursor": cursor}).json()
    pairs = [row["trading_pair"] for row in (*first["data"], *rest["data"])]
    assert pairs == [f"P{number}-USDT" for number in range(4)]


def test_positions_are_filtered(live: Live) -> None:
    observe(live, "1")
    live.project()
    for filters, count in (
        ({"account_names": [ACCOUNT]}, 1),
        ({"account_names": ["other"]}, 0),
        ({"connector_names": [CONNECTOR, "binance"]}, 1),
        ({"connector_names": ["binance"]}, 0),
    ):
        assert len(pages(live, "/trading/positions", 10, **filters)[0]) == count
        found = live.client.get("/trading/positions", params=httpx.QueryParams(filters)).json()
        assert (len(found["data"]), found["pagination"]["total_count"]) == (count, count)


def pay(live: Live, number: int, pair: str = PAIR) -> None:
    command = RecordFunding(
        ACCOUNT,
        CONNECTOR,
        f"p{number}",
        pair,
        Decimal("-0.010"),
        "USDT",
        Decimal("0.0001"),
        None,
        None,
        (1_700_000_000 + number) * 1_000_000,
    )
    live.execute(funding.stream(ACCOUNT, CONNECTOR, command.paid_at_us), command, f"pay {number}")


def test_funding_payments_are_paged_the_latest_first(live: Live) -> None:
    for number in range(5):
        pay(live, number)
    live.project()
    found = [row for page in pages(live, "/trading/funding-payments", 2) for row in page]
    assert [row["exchange_funding_id"] for row in found] == ["p4", "p3", "p2", "p1", "p0"]
    assert {k: v for k, v in found[-1].items() if k != "id"} == {
        "funding_payment_id": f"{ACCOUNT}/{CONNECTOR}/p0",
        "timestamp": "2023-11-14T22:13:20+00:00",
        "account_name": ACCOUNT,
        "connector_name": CONNECTOR,
        "trading_pair": PAIR,
        "funding_rate": 0.0001,
        "funding_payment": -0.01,
        "fee_currency": "USDT",
        "position_size": None,
        "position_side": None,
        "exchange_funding_id": "p0",
    }


@pytest.mark.parametrize(
    ("filters", "numbers"),
    [
        ({"start_time": 1_700_000_002}, [4, 3, 2]),
        ({"start_time": 1_700_000_002_000}, [4, 3, 2]),
        ({"start_time": 1_700_000_001, "end_time": 1_700_000_002}, [2, 1]),
        ({"trading_pair": "ETH-USDT"}, [3]),
        ({"account_names": ["other"]}, []),
        ({"connector_names": [CONNECTOR], "account_names": [ACCOUNT], "limit": 1}, [4]),
    ],
)
def test_funding_payments_are_filtered(
    live: Live, filters: dict[str, Any], numbers: list[int]
) -> None:
    for number in range(5):
        pay(live, number, "ETH-USDT" if number == 3 else PAIR)
    live.project()
    found = live.client.post("/trading/funding-payments", json=filters).json()["data"]
    assert [row["exchange_funding_id"] for row in found] == [f"p{number}" for number in numbers]


def test_a_difference_is_a_metric_and_stands_beside_the_position(live: Live) -> None:
    observe(live, "2")
    stream = position.stream(ACCOUNT, CONNECTOR, PAIR)
    for at, venue in enumerate((3, 2)):
        command = position.ComparePosition(ACCOUNT, CONNECTOR, PAIR, Decimal(venue), Decimal(0), at)
        live.execute(stream, command, f"compare {at}")
    live.project()
    [shown] = live.client.get("/trading/positions").json()["data"]
    assert shown["difference"] == -1
    assert "position_differences 1.0" in live.client.get("/metrics").text


def test_positions_of_a_deleted_account_are_not_shown(live: Live) -> None:
    stream = position.stream("second", CONNECTOR, PAIR)
    live.client.post("/accounts", json={"account_name": "second"})
    command = ObservePosition(
        "second", CONNECTOR, PAIR, "LONG", Decimal(1), None, None, None, asked_at_us=1
    )
    live.execute(stream, command, "second")
    observe(live, "1")
    live.project()
    assert len(pages(live, "/trading/positions", 10)[0]) == 2
    live.client.delete("/accounts/second")
    live.project()
    page = live.client.get("/trading/positions").json()
    assert [row["account_name"] for row in page["data"]] == [ACCOUNT]
    assert page["pagination"]["total_count"] == 1
