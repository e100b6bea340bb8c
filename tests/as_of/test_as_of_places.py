"""Which positions and times can be asked for, and what is said of those that cannot."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from domain import account
from domain.account import OpenAccount
from tests.api.live import Live

pytestmark = pytest.mark.postgres


def names(live: Live, **query: Any) -> httpx.Response:
    return live.client.get("/accounts", params=query)


def opened(live: Live, name: str) -> int:
    """The time at which this account was opened, in microseconds."""
    live.execute(account.stream(name), OpenAccount(name), f"open {name}")
    position = live.project()
    ((at_us,),) = live.sql("select recorded_at_us from events where notification_id = %s", position)
    return int(at_us)


def iso(at_us: int) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at_us)).isoformat()


def said(answer: httpx.Response) -> str:
    assert answer.status_code == 422, answer.text
    (entry,) = answer.json()["detail"]
    assert entry["loc"] == ["query", "as_of"]
    return str(entry["msg"])


def test_a_time_means_the_last_event_recorded_by_then(live: Live) -> None:
    at_us = opened(live, "alpha")
    position = live.head()
    while time.time_ns() // 1000 < at_us + 2_000:
        pass
    later_us = opened(live, "beta")
    for text in (iso(at_us), iso(at_us).replace("+00:00", "Z"), iso(later_us - 1)):
        answer = names(live, as_of=text)
        assert answer.json() == ["alpha", "master_account"], (text, answer.text)
        assert answer.headers["Log-Position"] == str(position)
    assert names(live, as_of=iso(at_us - 1)).json() == ["master_account"]
    assert names(live, as_of=iso(later_us)).json() == ["alpha", "beta", "master_account"]
    assert names(live, as_of=at_us // 1000).json() == ["master_account"]
    assert names(live, as_of=at_us // 1000 + 1).json() == ["alpha", "master_account"]


def test_a_plus_sign_that_was_not_escaped_is_understood(live: Live) -> None:
    at_us = opened(live, "alpha")
    answer = live.client.get(f"/accounts?as_of={iso(at_us)}")
    assert answer.json() == ["alpha", "master_account"]


def test_a_time_without_an_offset_is_utc(live: Live) -> None:
    at_us = opened(live, "alpha")
    without = iso(at_us).removesuffix("+00:00")
    assert names(live, as_of=without).json() == ["alpha", "master_account"]


def test_seconds_are_seconds(live: Live) -> None:
    at_us = opened(live, "alpha")
    next_second = at_us // 1_000_000 + 1
    while time.time() < next_second:
        pass
    assert names(live, as_of=next_second).json() == ["alpha", "master_account"]


def test_at_position_0_there_was_nothing(live: Live) -> None:
    live.project()
    answer = names(live, as_of=0)
    assert answer.json() == []
    assert answer.headers["Log-Position"] == "0"
    assert live.client.get("/trading/kill-switch", params={"as_of": 0}).json()["data"] == [
        {
            "account_name": None,
            "is_engaged": False,
            "reason": "",
            "since": None,
            "by": None,
            "live_orders": 0,
        }
    ]


@pytest.mark.parametrize(
    "text", ["-1", "", "now", "1.5", "2026-13-01", "1e3", "+5", "٣", "9" * 19, "9" * 400, "2026-01"]
)
def test_what_is_neither_says_what_is_expected(live: Live, text: str) -> None:
    message = said(names(live, as_of=text))
    assert message.startswith("Expected a position of the log"), message


def test_beyond_the_head_says_where_the_log_ends(live: Live) -> None:
    head = live.project()
    assert said(names(live, as_of=head + 1)).startswith(f"The log ends at position {head}.")
    assert names(live, as_of=head).status_code == 200


def test_the_future_is_not_told(live: Live) -> None:
    soon = int(time.time()) + 3600
    for text in (str(soon), str(soon * 1000), "2999-01-01"):
        assert said(names(live, as_of=text)).startswith("That is still to come")


def test_before_the_log_began_says_when_it_did(live: Live) -> None:
    for text in ("1000000000", "1969-07-20", "0001-01-01T00:00:00+14:00", "2001-09-09T01:46:40"):
        assert said(names(live, as_of=text)).startswith("Nothing had been recorded by then"), text


def test_read_models_that_are_behind_are_waited_for(live: Live) -> None:
    live.execute(account.stream("alpha"), OpenAccount("alpha"), "open alpha")
    answer = names(live, as_of=live.head())
    assert answer.status_code == 503
    assert answer.json()["code"] == "position_not_reached"


@pytest.mark.parametrize("path", ["/audit/events", "/keys", "/audit/parked"])
def test_a_route_of_the_present_alone_does_not_answer_as_of(live: Live, path: str) -> None:
    answer = live.client.get(path, params={"as_of": 1})
    assert said(answer) == "This route answers for the present only; leave as_of out"
