"""Pages as of a position agree with each other, whatever is written meanwhile, and stay bounded."""

import threading
from collections.abc import Mapping
from typing import Any

import pytest

from api import past
from domain import order
from domain.order_messages import CancelOrder, DispatchOrder, RecordAccepted, RecordUnknown
from tests.api.live import Live
from tests.as_of.history import READS, History, shown
from tests.folds import follow_log

pytestmark = pytest.mark.postgres
SEARCH = "/trading/orders/search"
DISPATCH = DispatchOrder(1, 1, 4_000_000_000_000_000)


def placed(live: Live, count: int, **fields: Any) -> list[str]:
    return [live.placed(**fields) for _ in range(count)]


def walked(live: Live, path: str, asked: Mapping[str, Any], as_of: int) -> list[dict[str, Any]]:
    """All rows of all pages; only the first page is asked for as_of."""
    found: list[dict[str, Any]] = []
    cursor, query = None, {"as_of": as_of}
    while True:
        answer = live.client.post(path, json={**asked, "cursor": cursor}, params=query)
        assert answer.status_code == 200, answer.text
        assert answer.headers["Log-Position"] == str(as_of)
        page = answer.json()
        found += page["data"]
        if not page["pagination"]["has_more"]:
            assert page["pagination"]["total_count"] == len(found)
            return found
        cursor, query = page["pagination"]["next_cursor"], {}


def test_a_cursor_stays_with_its_position_while_orders_change(live: Live) -> None:
    ids = placed(live, 5)
    then = live.project()
    for number, its in enumerate(ids):
        live.execute(order.stream(its), RecordAccepted(f"x{number}"), f"accepted {its}")
        placed(live, 1)
        live.project()
        rows = walked(live, SEARCH, {"limit": 2}, then)
        assert [row["order_id"] for row in rows] == ids[::-1]
        assert {row["status"] for row in rows} == {"SUBMITTED"}
        assert walked(live, SEARCH, {"limit": 2, "status": "OPEN"}, then) == []
        active = walked(live, "/trading/orders/active", {"limit": 2}, then)
        assert [row["order_id"] for row in active] == ids


def test_a_cursor_of_the_present_is_none_of_the_past_and_not_of_another_position(
    live: Live,
) -> None:
    placed(live, 3)
    head = live.project()
    now = live.client.post(SEARCH, json={"limit": 1}).json()["pagination"]["next_cursor"]
    mixed = live.client.post(SEARCH, json={"limit": 1, "cursor": now}, params={"as_of": head})
    assert mixed.status_code == 422
    assert "begin without one" in mixed.json()["detail"][0]["msg"]
    first = live.client.post(SEARCH, json={"limit": 1}, params={"as_of": head})
    then = first.json()["pagination"]["next_cursor"]
    other = live.client.post(SEARCH, json={"limit": 1, "cursor": then}, params={"as_of": head - 1})
    assert other.status_code == 422
    assert f"as of position {head}" in other.json()["detail"][0]["msg"]
    same = live.client.post(SEARCH, json={"limit": 1, "cursor": then}, params={"as_of": head})
    alone = live.client.post(SEARCH, json={"limit": 1, "cursor": then})
    assert same.status_code == 200
    assert same.content == alone.content


def test_how_long_an_outcome_was_unknown_is_counted_up_to_then(live: Live) -> None:
    (its,) = placed(live, 1)
    live.execute(order.stream(its), DISPATCH, "dispatch")
    live.execute(order.stream(its), RecordUnknown("no answer", 1), "unknown")
    (later,) = placed(live, 1)
    live.execute(order.stream(its), RecordAccepted("x"), "accepted after all")
    live.project()
    times = dict(live.sql("select notification_id, recorded_at_us from events"))
    unknown_at, then = (
        next(p for (p,) in live.sql("select notification_id from events where topic = %s", tag))
        for tag in ("order.outcome_unknown.v1", "order.found.v1")
    )
    for position in range(unknown_at, then):
        rows = walked(live, SEARCH, {}, position)
        found = next(row for row in rows if row["order_id"] == its)
        since_us = times[position] - times[unknown_at]
        assert found["unknown_seconds"] == round(since_us / 1_000_000, 3)
    assert later in [row["order_id"] for row in walked(live, SEARCH, {}, then)]
    assert all(row["unknown_seconds"] is None for row in walked(live, SEARCH, {}, then))


def test_orders_of_this_minute_are_those_of_the_minute_of_then(live: Live) -> None:
    placed(live, 3)
    live.project()
    places = live.sql(
        "select notification_id, recorded_at_us / 60000000 from events where topic = %s",
        "order.placed.v1",
    )
    for position, minute in places:
        earlier = [p for p, its in places if p <= position and its == minute]
        answer = live.client.get("/trading/limits/master_account", params={"as_of": position})
        assert answer.json()["orders_this_minute"] == len(earlier)


def test_too_many_changed_rows_are_refused_with_what_to_narrow(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(past, "ROWS_MAX", 2)
    ids = placed(live, 3)
    then = live.project()
    for its in ids:
        live.execute(order.stream(its), CancelOrder(), f"cancel {its}")
    live.project()
    answer = live.client.post(SEARCH, json={}, params={"as_of": then})
    assert answer.status_code == 422
    assert answer.json()["code"] == "as_of_too_wide"
    assert "Narrow it" in answer.json()["detail"]
    few = live.client.post(SEARCH, json={"account_names": ["other"]}, params={"as_of": then})
    assert few.status_code == 200
    assert live.client.post(SEARCH, json={}, params={"as_of": live.head()}).status_code == 200


def test_too_many_events_are_refused(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(past, "EVENTS_MAX", 2)
    (its,) = placed(live, 1)
    live.execute(order.stream(its), DISPATCH, "dispatch")
    live.execute(order.stream(its), RecordAccepted("x"), "accepted")
    then = live.project()
    live.execute(order.stream(its), CancelOrder(), "cancel")
    live.project()
    answer = live.client.post(SEARCH, json={}, params={"as_of": then})
    assert (answer.status_code, answer.json()["code"]) == (422, "as_of_too_wide")


def test_the_past_stands_still_while_it_is_read_and_written_on(live: Live) -> None:
    history = History(live, 11)
    for _ in range(80):
        history.step()
    then = live.project()
    first = [shown(read.ask(live.client, as_of=then)) for read in READS]
    stopping = threading.Event()
    failures: list[object] = []

    def read_on() -> None:
        with live.connect(("tester", "correct horse")) as client:
            while not stopping.is_set():
                for read, told in zip(READS, first, strict=True):
                    now = shown(read.ask(client, as_of=then))
                    if now != told:
                        failures.append((read, told, now))
                        return

    folding = threading.Thread(target=follow_log, args=(live.database, stopping))
    readers = [threading.Thread(target=read_on) for _ in range(2)]
    for thread in (folding, *readers):
        thread.start()
    for _ in range(250):
        history.step()
    stopping.set()
    for thread in (folding, *readers):
        thread.join()
    assert failures == []
    assert live.project() > then + 100


def test_every_read_that_answers_as_of_says_so_in_its_document(live: Live) -> None:
    document = live.client.get("/openapi.json").json()["paths"]
    told = {
        path
        for path, methods in document.items()
        for operation in methods.values()
        if any(its["name"] == "as_of" for its in operation["parameters"])
    }
    asked = {read.path for read in READS}
    assert {path for path in asked if "/accounts/" not in path and "/limits/" not in path} <= told
    assert "/trading/limits/{account_name}" in told
    assert "/accounts/{account_name}/credentials/{connector_name}" in told
