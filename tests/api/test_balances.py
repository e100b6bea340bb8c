"""Balances of one account: of its last snapshot, or of a new one that a worker takes."""

from typing import Any

import pytest

from adapters.venues.port import VenueUnreachable
from api.accounts import asking
from domain.account import AddConnector
from domain.portfolio import SilentVenue
from tests.api.holding import NOON_US, Looks, await_worker, looking, observe
from tests.api.live import Live
from tests.api.perpetual import ACCOUNT
from tests.questions.world import Venue, answering_beside, desks_of

pytestmark = pytest.mark.postgres
PATH = f"/accounts/{ACCOUNT}/balances"
PAPER = {"paper": {"EUR": ("10.50", "1.25"), "XYZ": ("7", None)}}
BINANCE = {"binance": {"BTC": ("0.000000010000000001", "60000")}}


@pytest.fixture
def held(live: Live) -> Live:
    """An API whose master account has two connectors and no snapshot yet."""
    live.execute(f"account-{ACCOUNT}", AddConnector(ACCOUNT, "binance"), "add")
    live.project()
    return live


def test_balances_are_those_of_the_last_snapshot(held: Live) -> None:
    observe(held, ACCOUNT, NOON_US, {**PAPER, **BINANCE})
    held.project()
    answer = held.client.get(PATH)
    assert answer.status_code == 200, answer.text
    assert list(answer.json()) == ["binance", "paper"]
    assert answer.json()["paper"] == [
        {"token": "EUR", "units": 10.5, "price": 1.25, "value": 13.125, "available_units": 10.5},
        {"token": "XYZ", "units": 7, "price": None, "available_units": 7},
    ]
    assert b'"units":1.0000000001E-8,' in answer.content
    assert "Aviary-Incomplete" not in answer.headers
    assert int(answer.headers["Log-Position"]) == held.head()
    one = held.client.get(PATH, params={"connector_names": "paper"})
    assert list(one.json()) == ["paper"]


def test_a_new_snapshot_is_taken_where_it_is_wanted_or_there_is_none(held: Live) -> None:
    looks = Looks(held, {**PAPER, **BINANCE})
    with looking(looks, ACCOUNT):
        assert set(held.client.get(PATH).json()) == {"binance", "paper"}
        assert looks.asked == [ACCOUNT]
        assert held.client.get(PATH).status_code == 200
        assert looks.asked == [ACCOUNT]
        looks.held = {"paper": {"EUR": ("1", "2")}, "binance": {}}
        fresh = held.client.get(PATH, params={"refresh": True})
    assert looks.asked == [ACCOUNT] * 2
    assert fresh.json()["binance"] == []
    assert fresh.json()["paper"][0]["value"] == 2
    assert int(fresh.headers["Log-Position"]) == held.head()


def test_a_silent_connector_is_named_and_never_shown_as_empty(held: Live) -> None:
    looks = Looks(held, PAPER, SilentVenue("binance", "timed out"))
    with looking(looks, ACCOUNT):
        answer = held.client.get(PATH)
        named = held.client.get(PATH, params={"connector_names": ["binance", "paper"]})
        other = held.client.get(PATH, params={"connector_names": "paper"})
    assert (answer.status_code, set(answer.json())) == (200, {"paper"})
    assert answer.headers["Aviary-Incomplete"] == "binance: timed out"
    assert (named.status_code, named.json()["code"]) == (503, "venue_unreachable")
    assert "at 'binance': timed out" in named.json()["detail"]
    assert "Aviary-Incomplete" not in other.headers
    assert looks.asked == [ACCOUNT], "a silence is known until somebody wants to know it anew"


def test_what_a_silent_connector_told_before_is_shown_as_stale(held: Live) -> None:
    observe(held, ACCOUNT, NOON_US, {**PAPER, **BINANCE})
    looks = Looks(held, PAPER, SilentVenue("binance", "timed out"))
    with looking(looks, ACCOUNT):
        answer = held.client.get(PATH, params={"refresh": True, "connector_names": "binance"})
    assert answer.status_code == 200
    assert answer.json()["binance"][0]["is_stale"] is True
    assert answer.headers["Aviary-Incomplete"] == "binance: timed out"


def test_where_nobody_can_look_the_answer_is_no_empty_map(
    held: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "TAKEN_SECONDS", 0.1)
    answer = held.client.get(PATH)
    assert (answer.status_code, answer.json()["code"]) == (503, "no_worker")
    assert "No worker holds account" in answer.json()["detail"]
    observe(held, ACCOUNT, NOON_US, PAPER)
    held.project()
    known = held.client.get(PATH)
    assert (known.status_code, set(known.json())) == (200, {"paper"})
    assert known.headers["Aviary-Incomplete"] == "binance: it is in no snapshot yet"
    fresh = held.client.get(PATH, params={"refresh": True})
    assert (fresh.status_code, fresh.json()["code"]) == (503, "no_worker")


@pytest.mark.parametrize("path", ["state", "balances"])
def test_a_refresh_of_the_portfolio_says_which_account_could_not_be_seen(
    held: Live, path: str
) -> None:
    observe(held, "second", NOON_US, PAPER)
    held.execute("account-second", AddConnector("second", "paper"), "add to second")
    held.project()
    looks = Looks(held, {**PAPER, **BINANCE})
    with looking(looks, ACCOUNT):  # Nobody holds the other one.
        answer = held.client.post(f"/portfolio/{path}", json={"refresh": True})
        own = held.client.get(
            f"/portfolio/{path}", params={"refresh": True, "account_names": ACCOUNT}
        )
        looks.error = VenueUnreachable("all is dark")
        away = held.client.post(f"/portfolio/{path}", json={"refresh": True})
    state = answer.json() if path == "state" else answer.json()["accounts"]
    assert list(state) == [ACCOUNT, "second"]
    assert set(state[ACCOUNT]) == {"binance", "paper"}
    assert answer.headers["Aviary-Incomplete"].startswith("second: No worker holds account")
    assert (own.status_code, own.headers.get("Aviary-Incomplete")) == (200, None)
    assert (away.status_code, away.json()["code"]) == (503, "venue_unreachable")
    assert looks.asked == [ACCOUNT] * 3


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/accounts/nobody/balances", 404, "unknown_account"),
        ("/accounts/no%20body/balances", 400, "invalid_name"),
        (f"{PATH}?connector_names=okx", 404, "unknown_connector"),
        (f"{PATH}?refresh=perhaps", 422, None),
    ],
)
def test_bad_requests_say_why(shared: Live, path: str, status: int, code: str | None) -> None:
    shared.project()
    answer = shared.client.get(path)
    assert (answer.status_code, answer.json().get("code")) == (status, code), answer.text


def test_the_position_mode_is_the_venues(held: Live) -> None:
    add: Any = AddConnector(ACCOUNT, "binance_perpetual")
    held.execute(f"account-{ACCOUNT}", add, "add perpetual")
    held.project()
    with answering_beside(held.database, desks_of(ACCOUNT, binance_perpetual=Venue())):
        await_worker(held)
        answer = held.client.get(f"/trading/{ACCOUNT}/binance_perpetual/position-mode")
    assert answer.json() == {
        "position_mode": "HEDGE",
        "connector": "binance_perpetual",
        "account": ACCOUNT,
    }
