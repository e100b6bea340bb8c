"""Leverage and position mode on the wire; no worker runs."""

import concurrent.futures
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from api.accounts import asking
from commands.codec import decode_recorded
from commands.request import Command
from domain import perpetual
from domain.perpetual import (
    RecordLeverageRefused,
    RecordLeverageSet,
    RecordLeverageUnknown,
    RecordPositionModeSet,
)
from tests.api.live import Live
from tests.api.perpetual import ACCOUNT, CONNECTOR, PAIR, accept

pytestmark = pytest.mark.postgres
STREAM = perpetual.stream(ACCOUNT, CONNECTOR)
LEVERAGE = f"/trading/{ACCOUNT}/{CONNECTOR}/leverage"
MODE = f"/trading/{ACCOUNT}/{CONNECTOR}/position-mode"


@pytest.fixture
def trading(live: Live) -> Live:
    """An API whose master account has a credential for a perpetual connector."""
    return accept(live)


@pytest.fixture(scope="module")
def standing(shared: Live) -> Live:
    """The same for those that change nothing."""
    return accept(shared)


@contextmanager
def asked(live: Live, path: str, body: Any, **headers: str) -> Iterator[list[httpx.Response]]:
    """The request waits while the block runs; its answer is there afterwards."""
    before = live.head()
    answers: list[httpx.Response] = []
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        under_way = pool.submit(live.client.post, path, json=body, headers=headers)
        deadline = time.monotonic() + 60
        while live.head() == before and not under_way.done():
            assert time.monotonic() < deadline, "the request came to nothing"
            time.sleep(0.01)
        yield answers
        answers.append(under_way.result())


def record(live: Live, command: Command) -> None:
    live.execute(STREAM, command, repr(command))
    live.project()


def test_a_leverage_that_the_venue_has_set(trading: Live) -> None:
    with asked(trading, LEVERAGE, {"trading_pair": PAIR, "leverage": 20}) as answers:
        record(trading, RecordLeverageSet(PAIR, 1))
    [answer] = answers
    text = f"Leverage of {PAIR} on {CONNECTOR} set to 20."
    assert (answer.status_code, answer.json()) == (200, {"status": "success", "message": text})
    assert answer.headers["Command-Id"]


def test_a_leverage_that_the_venue_refuses(trading: Live) -> None:
    with asked(trading, LEVERAGE, {"trading_pair": PAIR, "leverage": 125}) as answers:
        record(trading, RecordLeverageRefused(PAIR, 1, "-4028", "Leverage 125 is not valid"))
    [answer] = answers
    assert (answer.status_code, answer.json()["code"]) == (400, "venue_refused")
    assert answer.json()["detail"] == f"{CONNECTOR} refused: -4028: Leverage 125 is not valid"


def test_a_leverage_whose_fate_is_unknown(trading: Live) -> None:
    with asked(trading, LEVERAGE, {"trading_pair": PAIR, "leverage": 5}) as answers:
        record(trading, RecordLeverageUnknown(PAIR, 1, "no answer"))
    assert (answers[0].status_code, answers[0].json()["code"]) == (502, "outcome_unknown")


def test_a_request_that_a_later_one_replaces(trading: Live) -> None:
    with (
        asked(trading, LEVERAGE, {"trading_pair": PAIR, "leverage": 5}) as first,
        asked(trading, LEVERAGE, {"trading_pair": PAIR, "leverage": 6}) as second,
    ):
        record(trading, RecordLeverageSet(PAIR, 2))
    assert (first[0].status_code, first[0].json()["code"]) == (409, "replaced")
    assert second[0].json()["message"].endswith("set to 6.")


def test_what_has_no_outcome_in_time_is_pending_and_the_same_key_hears_it_later(
    trading: Live,
) -> None:
    body = {"trading_pair": PAIR, "leverage": 5}
    headers = {"Prefer": "wait=0", "Idempotency-Key": "five"}
    answer = trading.client.post(LEVERAGE, json=body, headers=headers)
    assert (answer.status_code, answer.json()["status"]) == (200, "pending")
    record(trading, RecordLeverageSet(PAIR, 1))
    again = trading.client.post(LEVERAGE, json=body, headers=headers)
    assert (again.json()["status"], again.headers["Idempotency-Replayed"]) == ("success", "true")
    assert again.headers["Command-Id"] == answer.headers["Command-Id"]


def test_a_mode_that_the_venue_has_set(trading: Live) -> None:
    with asked(trading, MODE, {"position_mode": "HEDGE"}) as answers:
        record(trading, RecordPositionModeSet(1))
    assert answers[0].json() == {
        "status": "success",
        "message": f"Position mode on {CONNECTOR} set to HEDGE.",
    }


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        (LEVERAGE, {"trading_pair": PAIR, "leverage": 0}, 422, None),
        (LEVERAGE, {"trading_pair": PAIR, "leverage": 126}, 422, None),
        (LEVERAGE, {"trading_pair": PAIR, "leverage": "x"}, 422, None),
        (LEVERAGE, {"leverage": 5}, 422, None),
        (LEVERAGE, {"trading_pair": "", "leverage": 5}, 422, None),
        (MODE, {"position_mode": "BOTH"}, 400, "unknown_position_mode"),
        (MODE, {"position_mode": 1}, 422, None),
        (
            f"/trading/{ACCOUNT}/hyperliquid_perpetual/position-mode",
            {"position_mode": "HEDGE"},
            400,
            "unknown_position_mode",
        ),
        (
            f"/trading/{ACCOUNT}/binance/leverage",
            {"trading_pair": PAIR, "leverage": 5},
            400,
            "not_perpetual",
        ),
        (
            f"/trading/{ACCOUNT}/paper/position-mode",
            {"position_mode": "HEDGE"},
            400,
            "not_perpetual",
        ),
        (
            f"/trading/{ACCOUNT}/nowhere/leverage",
            {"trading_pair": PAIR, "leverage": 5},
            404,
            "unknown_connector",
        ),
        (
            f"/trading/nobody/{CONNECTOR}/leverage",
            {"trading_pair": PAIR, "leverage": 5},
            404,
            "unknown_account",
        ),
        (
            f"/trading/{ACCOUNT}/okx_perpetual/leverage",
            {"trading_pair": PAIR, "leverage": 5},
            404,
            "unknown_connector",
        ),
        (
            f"/trading/no%20body/{CONNECTOR}/position-mode",
            {"position_mode": "HEDGE"},
            400,
            "invalid_name",
        ),
    ],
)
def test_bad_requests_say_why(
    standing: Live, path: str, body: Any, status: int, code: str | None
) -> None:
    answer = standing.client.post(path, json=body)
    assert (answer.status_code, answer.json().get("code")) == (status, code), answer.text


def test_a_trial_writes_nothing(standing: Live) -> None:
    before = standing.head()
    body = {"trading_pair": PAIR, "leverage": 5}
    answer = standing.client.post(f"{LEVERAGE}?dry_run=true", json=body)
    assert [event["type"] for event in answer.json()["events"]] == [
        "perpetual.leverage_requested.v1"
    ]
    assert standing.head() == before


def test_the_mode_is_unknown_where_nobody_can_ask(
    standing: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "TAKEN_SECONDS", 0.1)
    answer = standing.client.get(MODE)
    shown = answer.json()
    assert (answer.status_code, shown.pop("reason")[:15]) == (200, "No worker holds")
    assert shown == {"position_mode": "UNKNOWN", "connector": CONNECTOR, "account": ACCOUNT}


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"/trading/{ACCOUNT}/binance/position-mode", 400),
        (f"/trading/nobody/{CONNECTOR}/position-mode", 404),
        (f"/trading/{ACCOUNT}/okx_perpetual/position-mode", 404),
    ],
)
def test_the_mode_of_nothing(standing: Live, path: str, status: int) -> None:
    assert standing.client.get(path).status_code == status


def test_requests_are_in_the_log_with_who_made_them(trading: Live) -> None:
    body = {"trading_pair": PAIR, "leverage": 5}
    trading.client.post(LEVERAGE, json=body, headers={"Prefer": "wait=0"})
    [stored] = trading.deps.store.read_stream(STREAM)
    assert isinstance(decode_recorded(stored), perpetual.LeverageRequested)
    assert b'"actor":"user:tester"' in stored.metadata
