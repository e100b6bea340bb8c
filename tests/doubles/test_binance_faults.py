"""The fault script: what was done and what was told are two things."""

import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.doubles.binance_client import RawClient, refusal
from tests.doubles.binance_process import BinanceProcess, running


def place(client: RawClient, client_order_id: str) -> httpx.Response | None:
    """None where the connection ended without an answer."""
    try:
        return client.place(client_order_id)
    except httpx.TransportError:
        return None


@pytest.mark.parametrize("kind", ["lose_ack", "unavailable_after"])
def test_an_order_may_rest_although_nobody_said_so(
    binance_double: BinanceProcess, spot: RawClient, account: str, kind: str
) -> None:
    binance_double.faults(account, {"kind": kind})
    answer = place(spot, "unsure")
    if kind == "lose_ack":
        assert answer is None
    else:
        assert answer is not None
        assert refusal(answer) == (503, -1007)
    assert spot.order("unsure")["status"] == "NEW"
    logged = binance_double.control("ledger", account=account)["requests"]
    assert [(row["client_order_id"], row["outcome"]) for row in logged] == [("unsure", "accepted")]


@pytest.mark.parametrize(
    ("rule", "status", "code"),
    [
        ({"kind": "unavailable_before"}, 503, -1008),
        ({"kind": "reject", "code": -1013, "text": "Filter failure: X"}, 400, -1013),
        ({"kind": "reject", "status": 429, "code": -1003, "text": "Too many."}, 429, -1003),
        ({"kind": "reject", "status": 418, "code": -1003, "text": "Banned."}, 418, -1003),
        ({"kind": "reject", "code": -1021, "text": "Timestamp ..."}, 400, -1021),
    ],
    ids=["overloaded", "refused", "too many", "banned", "clock"],
)
def test_a_request_kept_away_did_nothing(
    binance_double: BinanceProcess,
    spot: RawClient,
    account: str,
    rule: dict[str, Any],
    status: int,
    code: int,
) -> None:
    binance_double.faults(account, rule)
    answer = place(spot, "away")
    assert answer is not None
    assert refusal(answer) == (status, code)
    assert ("Retry-After" in answer.headers) == (status in {418, 429})
    gone = spot.call("GET", "order", symbol="BTCUSDT", origClientOrderId="away")
    assert refusal(gone) == (400, -2013)
    assert spot.placed("away")["status"] == "NEW"
    logged = binance_double.control("ledger", account=account)["requests"]
    assert [row["outcome"] for row in logged] == ["fault", "accepted"]


def test_a_request_held_too_long_has_expired(
    binance_double: BinanceProcess, spot: RawClient, account: str
) -> None:
    binance_double.faults(account, {"kind": "hold", "seconds": 0.3})
    assert refusal(spot.place("late", recvWindow=100)) == (400, -1021)
    binance_double.faults(account, {"kind": "hold", "seconds": 0.1})
    assert spot.placed("in-time", recvWindow=5_000)["status"] == "NEW"


def test_a_delayed_answer_comes_after_the_deed(
    binance_double: BinanceProcess, spot: RawClient, account: str
) -> None:
    binance_double.faults(account, {"kind": "delay_ack", "seconds": 30})
    with RawClient(binance_double.url, *binance_double.new_account(account)) as other:
        waiting = threading.Thread(target=place, args=(other, "slow"), daemon=True)
        waiting.start()
        deadline = time.monotonic() + 60
        while not binance_double.control("ledger", account=account)["orders"]:
            assert time.monotonic() < deadline
        assert spot.order("slow")["status"] == "NEW"
        assert waiting.is_alive()


def test_a_hanging_answer_never_comes(
    binance_double: BinanceProcess, spot: RawClient, account: str
) -> None:
    binance_double.faults(account, {"kind": "hang_ack"})
    with pytest.raises(httpx.ReadTimeout):
        spot.send("POST", "order", spot.sign(_order("hung")), timeout=3.0)
    assert spot.order("hung")["status"] == "NEW"


def test_rules_choose_by_order_count_and_chance(
    binance_double: BinanceProcess, spot: RawClient, account: str
) -> None:
    binance_double.faults(
        account,
        {"kind": "reject", "client_order_id": "x*", "after": 1, "times": 2, "code": -1000},
    )
    codes = [
        spot.place(name).json().get("code", 0) for name in ("x1", "y1", "x2", "x3", "y2", "x4")
    ]
    assert codes == [0, 0, -1000, -1000, 0, 0]
    seen = binance_double.control("faults")
    assert [(row["matched"], row["fired"]) for row in seen] == [(4, 2)]


def test_chance_has_a_seed(binance_double: BinanceProcess, spot: RawClient, account: str) -> None:
    def played() -> list[bool]:
        rule = {"kind": "reject", "probability": 0.5, "seed": 7, "times": None}
        binance_double.faults(account, rule)
        return [spot.place().status_code == 200 for _ in range(12)]

    first = played()
    assert first == played()
    assert set(first) == {True, False}


def test_a_cancel_by_number_is_known_by_its_name(
    binance_double: BinanceProcess, spot: RawClient, account: str
) -> None:
    number = spot.placed("named")["orderId"]
    rule = {"kind": "reject", "request": "DELETE /*/order", "client_order_id": "named"}
    binance_double.faults(account, rule)
    assert spot.call("DELETE", "order", symbol="BTCUSDT", orderId=number).status_code == 400
    assert spot.call("DELETE", "order", symbol="BTCUSDT", orderId=number).status_code == 200


def test_cancels_meet_faults_of_their_own(
    binance_double: BinanceProcess, spot: RawClient, account: str
) -> None:
    spot.placed("keep")
    binance_double.faults(account, {"kind": "lose_ack", "request": "DELETE /*/order"})
    with pytest.raises(httpx.TransportError):
        spot.call("DELETE", "order", symbol="BTCUSDT", origClientOrderId="keep")
    assert spot.order("keep")["status"] == "CANCELED"


def test_a_lookup_may_lag_behind(
    binance_double: BinanceProcess, spot: RawClient, account: str
) -> None:
    spot.placed("lag")
    binance_double.faults(account, {"kind": "lookup_lag", "seconds": 60, "times": 2})
    answer = spot.call("GET", "order", symbol="BTCUSDT", origClientOrderId="lag")
    assert refusal(answer) == (400, -2013)
    assert spot.call("GET", "openOrders").json() == []
    assert spot.order("lag")["status"] == "NEW"


def test_a_clock_that_runs_away_refuses_everybody(
    binance_double: BinanceProcess, spot: RawClient
) -> None:
    binance_double.control("clock", offset_ms=60_000)
    assert refusal(spot.call("GET", "account")) == (400, -1021)
    told = spot.send("GET", "time", {}).json()["serverTime"]
    assert told > time.time() * 1_000 + 50_000


def test_an_exchange_that_is_down_cuts_every_connection(
    binance_double: BinanceProcess, spot: RawClient
) -> None:
    binance_double.control("faults", rules=[{"kind": "down"}])
    with pytest.raises(httpx.TransportError):
        spot.send("GET", "time", {})
    binance_double.control("faults", clear="*")
    assert spot.send("GET", "time", {}).status_code == 200


def test_it_goes_down_by_itself_at_an_order_and_comes_back(
    binance_double: BinanceProcess, spot: RawClient, account: str
) -> None:
    binance_double.faults(account, {"kind": "down", "after": 1, "seconds": 0.3})
    spot.placed("first")
    assert place(spot, "second") is None
    deadline = time.monotonic() + 60
    while place(spot, "third") is None:
        assert time.monotonic() < deadline
    gone = spot.call("GET", "order", symbol="BTCUSDT", origClientOrderId="second")
    assert refusal(gone) == (400, -2013)


def test_what_was_answered_survives_a_kill(tmp_path: Path) -> None:
    with running(tmp_path) as exchange:
        key, secret = exchange.new_account("alice")
        with RawClient(exchange.url, key, secret) as spot:
            spot.placed("open", quantity="1")
            spot.placed("done", quantity="1", price="60006")
            exchange.control("fill", account="alice", client_order_id="open", quantity="0.5")
            exchange.control("price", symbol="ETHUSDT", price="3100")
        with RawClient(exchange.url, key, secret, "futures") as futures:
            futures.placed(type="MARKET", price=None, timeInForce=None, quantity="1")
            futures.call("POST", "leverage", symbol="BTCUSDT", leverage=7)
            held = futures.call("GET", "/fapi/v3/account").json()["positions"]
        before = exchange.control("ledger", account="alice")
        exchange.kill()
        exchange.start()
        assert exchange.control("ledger", account="alice") == before
        with RawClient(exchange.url, key, secret) as spot:
            price = spot.send("GET", "avgPrice", {"symbol": "ETHUSDT"}).json()["price"]
            assert price == "3100.00000000"
            assert refusal(spot.place("open")) == (400, -2010)
            exchange.control("fill", account="alice", client_order_id="open")
            assert spot.order("open")["status"] == "FILLED"
            later = spot.placed("later")
            assert later["orderId"] > before["orders"][-1]["orderId"]
        with RawClient(exchange.url, key, secret, "futures") as futures:
            assert futures.call("GET", "/fapi/v3/account").json()["positions"] == held


def test_control_says_what_it_does_not_understand(binance_double: BinanceProcess) -> None:
    with pytest.raises(ValueError, match="no control 'nothing'"):
        binance_double.control("nothing")
    with pytest.raises(ValueError, match="has no such open order"):
        binance_double.control("fill", account="nobody")
    with pytest.raises(ValueError, match="unknown field"):
        binance_double.control("faults", rules=[{"kind": "down", "until": 1}])


def _order(client_order_id: str) -> dict[str, Any]:
    return {
        "symbol": "BTCUSDT",
        "side": "BUY",
        "type": "LIMIT",
        "timeInForce": "GTC",
        "quantity": "0.01",
        "price": "50000",
        "newClientOrderId": client_order_id,
    }
