"""Lists of orders and trades: shapes, filters, and pages without holes or repeats."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from domain.order_messages import (
    DispatchOrder,
    RecordAccepted,
    RecordFill,
    RecordRejected,
    RecordUnknown,
)
from tests.api.live import Live

pytestmark = pytest.mark.postgres


def fill(live: Live, order_id: str, trade_id: str, quantity: str, price: str, token: str) -> None:
    command = RecordFill(
        trade_id=trade_id,
        side="BUY",
        quantity=Decimal(quantity),
        price=Decimal(price),
        fee=Decimal("0.010000000000000001"),
        fee_token=token,
        is_maker=True,
        executed_at_us=1_760_000_000_123_456,
    )
    live.execute(f"order-{order_id}", command, f"{order_id}-{trade_id}")


def search(live: Live, **asked: Any) -> Any:
    answer = live.client.post("/trading/orders/search", json=asked)
    assert answer.status_code == 200, answer.text
    return answer.json()


def every(live: Live, path: str, **asked: Any) -> Iterator[Any]:
    cursor = None
    while True:
        page = live.client.post(path, json={**asked, "cursor": cursor}).json()
        yield from page["data"]
        cursor = page["pagination"]["next_cursor"]
        assert page["pagination"]["has_more"] == (cursor is not None)
        if cursor is None:
            return


def test_an_order_has_the_shape_of_the_contract(live: Live) -> None:
    order_id = live.placed(amount="100.0")
    live.execute(f"order-{order_id}", RecordAccepted("x1"), "accepted")
    fill(live, order_id, "t1", "30", "1.01", "USD")
    fill(live, order_id, "t2", "10", "1.05", "USD")
    position = live.project()
    answer = live.client.post("/trading/orders/search", json={})
    assert int(answer.headers["Log-Position"]) == position
    (order,) = answer.json()["data"]
    for name in ("created_at", "updated_at"):
        assert order.pop(name).endswith("+00:00")
    assert order == {
        "order_id": order_id,
        "account_name": "master_account",
        "connector_name": "paper",
        "trading_pair": "EUR-USD",
        "trade_type": "BUY",
        "order_type": "LIMIT",
        "amount": 100.0,
        "price": 1.05,
        "status": "PARTIALLY_FILLED",
        "filled_amount": 40,
        "average_fill_price": 1.02,
        "fee_paid": 0.020000000000000002,
        "fee_currency": "USD",
        "exchange_order_id": "x1",
        "error_message": None,
        "outcome": "open",
        "unknown_seconds": None,
        "fees": {"USD": 0.020000000000000002},
    }
    assert answer.json()["pagination"] == {
        "limit": 100,
        "has_more": False,
        "next_cursor": None,
        "total_count": 1,
    }
    # All digits are there for clients that read decimals.
    digits: dict[str, msgspec.Raw] = msgspec.json.decode(
        answer.content[len(b'{"data":[') : answer.content.index(b'],"pagination')],
        type=dict[str, msgspec.Raw],
    )
    assert bytes(digits["fee_paid"]) == b"0.020000000000000002"


def test_a_trade_has_the_shape_of_the_contract(live: Live) -> None:
    order_id = live.placed()
    fill(live, order_id, "t1", "30", "1.01", "USD")
    live.project()
    body = live.client.post("/trading/trades", json={}).json()
    assert body["data"] == [
        {
            "trade_id": "t1",
            "order_id": order_id,
            "account_name": "master_account",
            "connector_name": "paper",
            "trading_pair": "EUR-USD",
            "trade_type": "BUY",
            "amount": 30,
            "price": 1.01,
            "fee_paid": 0.010000000000000001,
            "fee_currency": "USD",
            "timestamp": "2025-10-09T08:53:20.123456+00:00",
        }
    ]
    assert live.client.get("/trading/history").json() == body


def test_fees_in_several_tokens_have_no_single_sum(live: Live) -> None:
    order_id = live.placed()
    fill(live, order_id, "t1", "30", "1.01", "USD")
    fill(live, order_id, "t2", "30", "1.01", "BNB")
    live.placed()
    live.project()
    unfilled, filled = search(live)["data"]
    assert (filled["fee_paid"], filled["fee_currency"]) == (None, None)
    assert set(filled["fees"]) == {"USD", "BNB"}
    assert (unfilled["fee_paid"], unfilled["fee_currency"]) == (0, None)
    assert unfilled["average_fill_price"] is None


def test_an_unknown_outcome_is_shown_with_its_age(live: Live) -> None:
    order_id = live.placed()
    live.execute(f"order-{order_id}", DispatchOrder(1, 1, 0), "dispatch")
    live.execute(f"order-{order_id}", RecordUnknown("timeout", 1), "unknown")
    live.project()
    (order,) = search(live)["data"]
    assert (order["status"], order["outcome"]) == ("SUBMITTED", "unknown")
    assert order["unknown_seconds"] >= 0


def test_pages_hold_every_order_once_while_others_are_placed(live: Live) -> None:
    ids = [live.placed() for _ in range(25)]
    live.project()
    newest = []
    for order in every(live, "/trading/orders/search", limit=4):
        newest.append(order["order_id"])
        if len(newest) % 5 == 0:
            live.placed()
            live.project()
    assert newest == ids[::-1]
    active = [order["order_id"] for order in every(live, "/trading/orders/active", limit=7)]
    assert active[:25] == ids
    assert len(set(active)) == len(active) == 30


def test_a_page_that_ends_the_list_exactly_has_no_more(live: Live) -> None:
    for _ in range(4):
        live.placed()
    live.project()
    assert search(live, limit=4)["pagination"]["has_more"] is False
    assert search(live, limit=3)["pagination"]["has_more"] is True
    assert search(live, limit=3)["pagination"]["total_count"] == 4


def test_filters_are_exact(live: Live) -> None:
    open_id, rejected = live.placed(), live.placed()
    live.execute(f"order-{rejected}", DispatchOrder(1, 1, 0), "dispatch")
    live.execute(f"order-{rejected}", RecordRejected("no_money", "Poor.", 1), "rejected")
    live.project()
    found = search(live, status="FAILED")
    assert [o["order_id"] for o in found["data"]] == [rejected]
    assert found["data"][0]["error_message"] == "no_money: Poor."
    assert found["pagination"]["total_count"] == 1
    assert search(live, account_names=["nobody"])["data"] == []
    assert len(search(live, account_names=["nobody", "master_account"])["data"]) == 2
    assert search(live, trading_pairs=["BTC-USDT"])["data"] == []
    assert len(search(live, account_names=[], connector_names=None)["data"]) == 2
    active = live.client.get(
        "/trading/orders", params={"account_names": ["x", "master_account"], "limit": 5}
    ).json()
    assert [o["order_id"] for o in active["data"]] == [open_id]


def test_times_are_seconds_or_milliseconds(live: Live) -> None:
    live.placed()
    live.project()
    ((created_at_us,),) = live.sql("select created_at_us from orders")
    second, millisecond = created_at_us // 1_000_000, created_at_us // 1_000
    for inside in (second, millisecond):
        assert len(search(live, start_time=inside, end_time=inside)["data"]) == 1
    for later in (second + 1, millisecond + 1):
        assert search(live, start_time=later)["data"] == []
    for earlier in (second - 1, millisecond - 1):
        assert search(live, end_time=earlier)["data"] == []


@pytest.mark.parametrize(
    "asked",
    [
        {"limit": 0},
        {"limit": 1001},
        {"limit": "ten"},
        {"limit": 2**70},
        {"start_time": -1},
        {"end_time": 2**63},
        {"status": "open"},
        {"cursor": "nonsense"},
        {"cursor": "0:"},
        {"cursor": "é"},
        {"account_names": "master_account"},
        {"account_names": ["a\x00b"]},
    ],
)
def test_what_cannot_be_asked_is_a_422(shared: Live, asked: dict[str, Any]) -> None:
    answer = shared.client.post("/trading/orders/search", json=asked)
    assert answer.status_code == 422
    assert isinstance(answer.json()["detail"], list)


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=x", "limit=99999999999999999999", "cursor=x", "account_names=%00"],
)
def test_query_parameters_are_checked_too(shared: Live, query: str) -> None:
    answer = shared.client.get(f"/trading/orders?{query}")
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"][-1] == query.partition("=")[0]


def test_a_cursor_belongs_to_its_list(live: Live) -> None:
    for _ in range(2):
        live.placed()
    live.project()
    cursor = search(live, limit=1)["pagination"]["next_cursor"]
    for path in ("/trading/orders/active", "/trading/trades"):
        assert live.client.post(path, json={"cursor": cursor}).status_code == 422
    forged = cursor[:-1] + ("A" if cursor[-1] != "A" else "Q")
    answer = live.client.post("/trading/orders/search", json={"cursor": forged})
    assert answer.status_code == 422


def test_an_empty_body_asks_for_everything(live: Live) -> None:
    live.placed()
    live.project()
    answer = live.client.post("/trading/orders/search")
    assert len(answer.json()["data"]) == 1


def test_a_read_waits_for_the_position_it_is_asked_for(live: Live) -> None:
    position = live.place().headers["Log-Position"]
    live.project()
    answer = live.client.get(f"/trading/orders?min_position={position}")
    assert answer.headers["Log-Position"] == position
    assert len(answer.json()["data"]) == 1


def test_a_position_that_is_not_reached_is_said(live: Live) -> None:
    answer = live.client.get("/trading/orders?min_position=9000000000000000000")
    assert (answer.status_code, answer.json()["code"]) == (503, "position_not_reached")
    for wrong in ("-1", "x", "9999999999999999999", "1" * 30):
        answer = live.client.get(f"/trading/orders?min_position={wrong}")
        assert answer.status_code == 422
