"""The routes of live feeds: what they answer, and how they refuse."""

from typing import Any

import pytest

from tests.sockets.served import PAIR, Served

pytestmark = pytest.mark.postgres


def call(served: Served, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    with served.client() as client:
        answer = client.request(method, f"/market-data/{path}", json=body)
    return answer.status_code, answer.json()


def pair_body(**changed: Any) -> dict[str, Any]:
    return {"connector_name": "paper", "trading_pair": PAIR} | changed


def test_the_latest_trades_are_told_oldest_first(served: Served) -> None:
    call(served, "POST", "trading-pair/add", pair_body())
    status, answer = call(served, "GET", f"trades/{PAIR}?connector_name=paper&limit=2")
    assert (status, answer["trading_pair"], answer["connector"]) == (200, PAIR, "paper")
    times = [row["timestamp"] for row in answer["trades"]]
    assert times == sorted(times)
    assert len(times) <= 2


def test_an_active_feed_says_when_it_will_end(served: Served) -> None:
    call(served, "POST", "trading-pair/add", pair_body())
    status, feeds = call(served, "GET", "active-feeds")
    feed = feeds[f"order_book_paper_{PAIR}"]
    assert (status, feed["feed_type"], feed["config"]) == (200, "order_book", f"paper/{PAIR}")
    assert feed["will_expire_in"] == pytest.approx(600 - feed["seconds_since_access"])


def test_diagnostics_show_the_book_and_an_unknown_connector_is_an_error(served: Served) -> None:
    call(served, "POST", "trading-pair/add", pair_body())
    status, seen = call(served, "GET", "order-book/diagnostics/paper?account_name=x")
    assert (status, seen["tracker_ready"], seen["websocket_status"]) == (200, True, "connected")
    book = seen["order_books"][PAIR]
    assert book["best_bid"] < book["best_ask"]
    assert (book["bids"], book["asks"]) == (20, 20)
    status, seen = call(served, "GET", "order-book/diagnostics/nowhere")
    assert (status, "nowhere" in seen["error"]) == (200, True)
    status, seen = call(served, "POST", "order-book/restart/nowhere")
    assert (status, seen["success"], "nowhere" in seen["error"]) == (200, False, True)


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "words"),
    [
        ("GET", f"trades/{PAIR}", None, 422, "connector_name"),
        ("GET", f"trades/{PAIR}?connector_name=paper&limit=0", None, 422, "limit"),
        ("GET", f"trades/{PAIR}?connector_name=paper&limit=1001", None, 422, "limit"),
        ("GET", f"trades/{PAIR}?connector_name=nowhere", None, 404, "nowhere"),
        ("GET", "trades/NO-PE?connector_name=paper", None, 404, "NO-PE"),
        ("POST", "trading-pair/add", {}, 422, "connector_name"),
        ("POST", "trading-pair/add", pair_body(timeout=0.5), 422, "timeout"),
        ("POST", "trading-pair/add", pair_body(timeout=121), 422, "timeout"),
        ("POST", "trading-pair/add", pair_body(trading_pair="NO-PE"), 400, "NO-PE"),
        ("POST", "trading-pair/add", pair_body(connector_name="nowhere"), 404, "nowhere"),
        ("POST", "trading-pair/remove", pair_body(trading_pair=7), 422, "trading_pair"),
    ],
)
def test_what_cannot_be_is_refused_with_its_reason(
    served: Served, method: str, path: str, body: Any, status: int, words: str
) -> None:
    answered, said = call(served, method, path, body)
    assert answered == status
    assert words in str(said["detail"])


def test_removing_what_is_not_followed_is_no_success(served: Served) -> None:
    body = pair_body(trading_pair="NO-PE")
    status, answer = call(served, "POST", "trading-pair/remove", body)
    assert (status, answer["success"], answer["trading_pair"]) == (200, False, "NO-PE")


def test_feeds_and_sockets_are_metrics(served: Served) -> None:
    call(served, "POST", "trading-pair/add", pair_body())
    with served.client() as client:
        text = client.get("/metrics").text
    assert 'market_feeds{kind="order_book",state="live"} 1.0' in text
    for name in ("market_feed_updates_total", "sockets", "socket_frames_total"):
        assert f"\n{name}" in text
