"""An operator's word that an order of unknown outcome may be sent again."""

import pytest

from domain.order_messages import DispatchOrder, RecordAccepted, RecordUnknown
from tests.api.live import Live

pytestmark = pytest.mark.postgres
YES = {"confirm": True}


def _lost(live: Live) -> str:
    order_id = live.placed()
    live.execute(f"order-{order_id}", DispatchOrder(1, 1, 0), f"dispatch {order_id}")
    live.execute(f"order-{order_id}", RecordUnknown("timeout", 1), f"unknown {order_id}")
    return order_id


def _tags(live: Live, order_id: str) -> list[str]:
    query = "select topic from events where originator_id = %s order by originator_version"
    return [tag for (tag,) in live.sql(query, f"order-{order_id}")]


def test_an_order_of_unknown_outcome_may_be_sent_again(shared: Live) -> None:
    order_id = _lost(shared)
    path = f"/trading/orders/{order_id}/resend"
    first = shared.client.post(path, json=YES, headers={"Idempotency-Key": "a"})
    assert (first.status_code, "Command-Id" in first.headers) == (200, True)
    again = shared.client.post(path, json=YES, headers={"Idempotency-Key": "a"})
    assert (again.text, again.headers["Idempotency-Replayed"]) == (first.text, "true")
    assert _tags(shared, order_id)[-1] == "order.resend_allowed.v1"
    assert _tags(shared, order_id).count("order.resend_allowed.v1") == 1


def test_the_word_must_be_given_outright(shared: Live) -> None:
    order_id = _lost(shared)
    for body in ({}, {"confirm": False}, {"confirm": "yes"}):
        answer = shared.client.post(f"/trading/orders/{order_id}/resend", json=body)
        assert answer.status_code == 422
        assert answer.json()["detail"][0]["loc"] == ["body", "confirm"]
    assert _tags(shared, order_id)[-1] == "order.outcome_unknown.v1"


def test_an_order_whose_outcome_is_known_is_not_sent_again(shared: Live) -> None:
    order_id = _lost(shared)
    shared.execute(f"order-{order_id}", RecordAccepted("x1"), f"found {order_id}")
    answer = shared.client.post(f"/trading/orders/{order_id}/resend", json=YES)
    assert (answer.status_code, answer.json()["code"]) == (409, "outcome_known")


@pytest.mark.parametrize("order_id", ["av" + "a" * 26, "nonsense"])
def test_what_is_no_order_is_not_found(shared: Live, order_id: str) -> None:
    answer = shared.client.post(f"/trading/orders/{order_id}/resend", json=YES)
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_order")


def test_whoever_may_only_trade_may_not_take_that_risk(shared: Live) -> None:
    made = shared.client.post("/keys", json={"name": "trader", "scopes": ["read", "trade"]})
    shared.project()
    order_id = _lost(shared)
    with shared.connect(token=made.json()["token"]) as trader:
        answer = trader.post(f"/trading/orders/{order_id}/resend", json=YES)
    assert answer.status_code == 403
