"""The log's stream: what it sends, from where, and to whom what is of interest."""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.audit import follower, stream
from tests.api.following import following
from tests.api.live import Live, running
from tests.postgres_fixture import Database

pytestmark = pytest.mark.postgres


def listed(live: Live, **query: Any) -> list[dict[str, Any]]:
    answer = live.client.get("/audit/events", params={"order": "asc", "limit": 1000, **query})
    found: list[dict[str, Any]] = answer.json()["data"]
    return found


def test_what_was_and_what_comes_follow_each_other_without_a_seam(live: Live) -> None:
    for _ in range(3):
        live.placed()
    before = live.head()
    with following(live, after=0) as stream_:
        first = stream_.next()
        assert first is not None
        assert (first.id, first.event) == (0, "position")
        events = stream_.events()
        frames = [next(events) for _ in range(before)]
        for _ in range(3):
            live.placed()
            frames.append(next(events))
    assert [frame.data for frame in frames] == listed(live)
    assert [frame.id for frame in frames] == [frame.data["position"] for frame in frames]
    assert [frame.event for frame in frames] == [frame.data["tag"] for frame in frames]


def test_without_a_position_it_begins_now_and_says_where_that_is(live: Live) -> None:
    live.placed()
    head = live.head()
    with following(live) as stream_:
        assert stream_.next() == (head, "position", {"position": head})
        live.placed()
        assert stream_.until(head + 1) == [head + 1]


def test_a_client_that_was_cut_goes_on_after_the_last_it_has_seen(live: Live) -> None:
    for _ in range(6):
        live.placed()
    head = live.head()
    with following(live, after=0) as stream_:
        seen = stream_.until(3)
    with following(live, last_seen=seen[-1], after=0) as stream_:
        seen += stream_.until(head)
    assert seen == list(range(1, head + 1))


@pytest.mark.parametrize("is_in_ring", [False, True])
def test_filters_choose_the_same_events_as_in_the_list(live: Live, is_in_ring: bool) -> None:
    start = live.head()
    with contextlib.ExitStack() as stack:
        other = stack.enter_context(following(live, after=start)) if is_in_ring else None
        if other is not None:
            other.next()
        order_id = live.placed()
        command_id = live.place().headers["Command-Id"]
        live.client.delete(f"/trading/orders/{order_id}")
        head = live.head()
        if other is not None:
            other.until(head)  # So the ring holds them all.
        now = listed(live)[-1]["recorded_at_us"] // 1_000_000
        for query in (
            {"stream": f"order-{order_id}"},
            {"tag": "order.placed.v1"},
            {"actor": "user:tester"},
            {"command_id": command_id},
            {"correlation_id": command_id},
            {"from_time": now - 100},
            {"from_time": now + 100},
            {"to_time": now + 100, "stream": f"order-{order_id}"},
            {"to_time": now - 100},
            {"command_id": "nothing"},
            {},
        ):
            expected = listed(live, after=start, **query)
            with following(live, after=start, before=head + 1, **query) as stream_:
                found = [frame.data for frame in stream_.events()]
            assert found == expected, query
    assert len(found) == head - start > 3


def test_a_client_that_waits_for_rare_events_is_told_how_far_it_is(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "HEARTBEAT_SECONDS", 0.0)
    with following(live, tag="nothing") as stream_:
        assert stream_.next() is not None
        live.placed()
        head = live.head()
        told = stream_.next()
        assert told == (head, "position", {"position": head})
        live.placed()
        assert stream_.next() == (head + 1, "position", {"position": head + 1})
        stream_.wait_for_comment()


def test_a_long_way_without_a_match_is_looked_through_in_parts(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follower, "WINDOW_POSITIONS", 3)
    monkeypatch.setattr(follower, "PAGE_EVENTS", 2)
    for _ in range(20):
        live.placed()
    opened = listed(live)[0]["tag"]
    last = live.placed()
    head = live.head()
    for query in ({"stream": f"order-{last}"}, {"tag": opened}, {}):
        with following(live, after=0, before=head + 1, **query) as stream_:
            found = [frame.data for frame in stream_.events()]
        assert found == listed(live, **query)


def test_a_range_ends_and_is_not_followed_again(live: Live) -> None:
    for _ in range(4):
        live.placed()
    with following(live, after=0, before=4) as stream_:
        assert stream_.until(3) == [1, 2, 3]
        assert stream_.next() == (3, "end", {"position": 3})
        assert stream_.next() is None
    with following(live, last_seen=3, after=0, before=4) as stream_:
        assert stream_.answer.status_code == 204
        assert stream_.answer.content == b""


def test_a_range_of_time_ends_once_it_is_past(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follower, "LATE_US", 0)
    live.placed()
    head = live.head()
    second = listed(live)[-1]["recorded_at_us"] // 1_000_000 + 1
    with following(live, after=0, to_time=second) as stream_:
        assert stream_.until(head) == list(range(1, head + 1))
        last = stream_.next()
        assert last is not None
        assert last.event == "end"
    live.placed()
    with following(live, last_seen=last.id, to_time=second) as stream_:
        assert stream_.answer.status_code == 204


@pytest.mark.parametrize("value", ["x", "-1", "1.5", "99999999999999999999", ""])
def test_a_last_event_id_that_is_no_position_is_a_422(shared: Live, value: str) -> None:
    with following(shared, last_seen=value) as stream_:
        assert stream_.answer.status_code == 422
        (error,) = stream_.answer.json()["detail"]
    assert error["loc"] == ["header", "Last-Event-ID"]


@pytest.mark.parametrize("query", ["after=x", "before=-1", "from_time=x", "tag=%00"])
def test_a_wrong_filter_is_a_422(shared: Live, query: str) -> None:
    answer = shared.client.get(f"/audit/stream?{query}")
    assert answer.status_code == 422


@pytest.mark.parametrize("by_header", [False, True])
def test_a_position_beyond_the_log_is_a_416(shared: Live, by_header: bool) -> None:
    beyond = shared.head() + 1
    last_seen, after = (beyond, 0) if by_header else (None, beyond)
    with following(shared, last_seen, after=after) as stream_:
        answer = stream_.answer
    assert answer.status_code == 416
    assert answer.json()["code"] == "position_beyond_log"
    assert answer.headers["Log-Position"] == str(shared.head())


def test_nobody_keeps_or_gathers_the_stream_on_its_way(shared: Live) -> None:
    with following(shared) as stream_:
        headers = stream_.answer.headers
    assert headers["Content-Type"] == "text/event-stream"
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Accel-Buffering"] == "no"
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_the_address_has_the_forms_of_the_others(shared: Live) -> None:
    assert shared.client.get("/audit/stream/?before=1").status_code == 204
    others = shared.client.head("/audit/events").status_code
    assert shared.client.head("/audit/stream").status_code == others == 405


def test_other_origins_may_follow_when_named(
    database: Callable[..., Database], seeded: Database, tmp_path: Path
) -> None:
    origin = "http://localhost:3000"
    with running(database(template=seeded), tmp_path, cors_allow_origins=(origin,)) as live:
        live.client.headers["Origin"] = origin
        with following(live) as stream_:
            assert stream_.answer.headers["Access-Control-Allow-Origin"] == origin
        asked = {
            "Origin": origin,
            "Access-Control-Request-Method": "GET",
            "Access-Control-Request-Headers": "Authorization, Last-Event-ID",
        }
        preflight = httpx.options(f"{live.url}/audit/stream", headers=asked)
        assert preflight.status_code == 204
        assert "last-event-id" in preflight.headers["Access-Control-Allow-Headers"].lower()


def test_followers_are_counted(live: Live) -> None:
    live.placed()
    head = live.head()
    with following(live, after=0) as first, following(live, after=head) as second:
        first.until(head)
        second.next()
        lines = live.client.get("/metrics").text.splitlines()
    assert "followers 2.0" in lines
    assert f"followed_events_total {head:.1f}" in lines
