"""The log as auditors see it, and the check of its seals."""

from typing import Any

import pytest

from tests.api.live import Live

pytestmark = pytest.mark.postgres


def test_an_event_says_everything_that_is_known(live: Live) -> None:
    order_id = live.placed()
    answer = live.client.get("/audit/events", params={"stream": f"order-{order_id}"})
    (event,) = answer.json()["data"]
    assert int(answer.headers["Log-Position"]) == live.head() == event["position"]
    assert event["tag"] == "order.placed.v1"
    assert event["actor"] == "user:tester"
    assert event["command_id"] == event["correlation_id"]
    assert (event["account"], event["connector"]) == ("master_account", "paper")
    assert event["data"]["quantity"] == "100"
    assert "type" not in event["data"]
    assert event["recorded_at"].endswith("+00:00")
    assert len(event["seal"]) == 64


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_pages_of_events_are_whole(live: Live, order: str) -> None:
    for _ in range(8):
        live.placed()
    positions: list[int] = []
    cursor = None
    while True:
        query: dict[str, Any] = {"order": order, "limit": 3}
        if cursor is not None:
            query["cursor"] = cursor
        page = live.client.get("/audit/events", params=query).json()
        positions += [event["position"] for event in page["data"]]
        cursor = page["pagination"]["next_cursor"]
        if cursor is None:
            break
    expected = list(range(1, live.head() + 1))
    assert positions == (expected if order == "asc" else expected[::-1])


def test_events_are_found_by_what_they_say(live: Live) -> None:
    command_id = live.place().headers["Command-Id"]
    live.placed()
    head = live.head()

    def positions(**query: Any) -> list[int]:
        answer = live.client.get("/audit/events", params={"order": "asc", **query})
        assert answer.status_code == 200, answer.text
        return [event["position"] for event in answer.json()["data"]]

    assert positions(command_id=command_id) == [head - 1]
    assert positions(correlation_id=command_id) == [head - 1]
    assert positions(actor="user:tester") == [head - 1, head]
    assert positions(tag="account.opened.v1") == [1]
    assert positions(after=head - 1) == [head]
    assert positions(before=2) == [1]
    assert positions(from_time=1_000_000_000, tag="account.opened.v1") == [1]
    assert positions(to_time=1_000_000_000) == []
    assert positions(command_id="nothing") == []


@pytest.mark.parametrize(
    "query", ["after=x", "after=-1", "after=9999999999999999999", "order=up", "limit=1001"]
)
def test_wrong_filters_are_a_422(shared: Live, query: str) -> None:
    assert shared.client.get(f"/audit/events?{query}").status_code == 422


def test_a_stream_is_shown_with_its_state(live: Live) -> None:
    order_id = live.placed()
    live.client.delete(f"/trading/orders/{order_id}")
    page = live.client.get(f"/audit/streams/order-{order_id}", params={"limit": 2}).json()
    assert page["version"] == 3
    assert page["state"]["status"] == "cancelled"
    assert [event["version"] for event in page["data"]] == [1, 2]
    assert page["has_more"] is True
    rest = live.client.get(f"/audit/streams/order-{order_id}", params={"after_version": 2}).json()
    assert [event["version"] for event in rest["data"]] == [3]
    for nothing in ("order-x", "wallet-x", "a%00b"):
        assert live.client.get(f"/audit/streams/{nothing}").status_code == 404


def test_a_command_is_shown_with_its_receipt_and_events(live: Live) -> None:
    placed = live.place()
    command_id = placed.headers["Command-Id"]
    page = live.client.get(f"/audit/commands/{command_id}").json()
    assert page["receipt"]["outcome"] == "accepted"
    assert page["receipt"]["first_position"] == page["receipt"]["last_position"] == live.head()
    assert [event["tag"] for event in page["events"]] == ["order.placed.v1"]
    assert page["correlated"] == page["events"]
    refused = live.place(account_name="nobody").headers["Command-Id"]
    receipt = live.client.get(f"/audit/commands/{refused}").json()["receipt"]
    assert (receipt["outcome"], receipt["code"]) == ("refused", "unknown_account")
    assert live.client.get("/audit/commands/nothing").status_code == 404


def test_seals_are_checked_and_a_change_is_found(live: Live) -> None:
    for _ in range(5):
        live.placed()
    head = live.head()
    clean = live.client.get("/audit/verify").json()
    assert (clean["status"], clean["from"], clean["to"]) == ("clean", 1, head)
    part = live.client.get("/audit/verify", params={"from": 3, "to": 4}).json()
    assert part["status"] == "clean"
    assert "trusting the stored seal of position 2" in part["text"]
    live.sql("update events set state = state || ' ' where notification_id = 4")
    broken = live.client.get("/audit/verify").json()
    assert (broken["status"], broken["position"]) == ("broken", 4)
    live.sql("delete from events where notification_id = %s", head)
    cut = live.client.get("/audit/verify", params={"from": head - 1}).json()
    assert (cut["status"], cut["position"]) == ("broken", head)


@pytest.mark.parametrize("query", ["from=0", "from=x", "to=9999999999999999999", "to=-1"])
def test_a_range_that_is_none_is_a_422(shared: Live, query: str) -> None:
    assert shared.client.get(f"/audit/verify?{query}").status_code == 422


def test_parked_keys_are_shown_and_tried_again(live: Live) -> None:
    order_id = live.placed()
    live.project()
    live.sql("insert into parked values ('trades', %s, %s, 'odd')", order_id, live.head())
    (entry,) = live.client.get("/audit/parked").json()["data"]
    assert entry == {
        "projection": "trades",
        "key": order_id,
        "first_position": live.head(),
        "events": 1,
        "error": "odd",
    }
    (retried,) = live.client.post("/audit/parked/retry", json={"projection": "trades"}).json()[
        "data"
    ]
    assert retried["is_cured"] is False
    assert retried["key"] == order_id
