"""An account's balances as of a position: of the last snapshot by then, and nobody is asked."""

import pytest

from domain import account
from domain.account import AddConnector
from domain.portfolio import SilentVenue
from tests.api.holding import MINUTE_US, NOON_US, observe
from tests.api.live import Live

pytestmark = pytest.mark.postgres
PATH = "/accounts/alpha/balances"


def test_balances_are_those_of_the_last_snapshot_by_then(live: Live) -> None:
    observe(live, "alpha", NOON_US, {"paper": {"EUR": ("1", "2")}})
    live.execute(account.stream("alpha"), AddConnector("alpha", "paper"), "connect")
    told: dict[int, tuple[bytes, str | None]] = {}
    for number in range(2, 6):
        silent = (SilentVenue("paper", f"timeout {number}"),) if number % 2 else ()
        held = {} if silent else {"paper": {"EUR": (str(number), "2")}}
        observe(live, "alpha", NOON_US + number * MINUTE_US // 2, held, silent)
        position = live.project()
        answer = live.client.get(PATH, params={"min_position": position})
        assert answer.headers["Log-Position"] == str(position)
        told[position] = answer.content, answer.headers.get("Aviary-Incomplete")
    assert len({content for content, _ in told.values()}) > 2
    for position, then in told.items():
        now = live.client.get(PATH, params={"as_of": position})
        assert (now.content, now.headers.get("Aviary-Incomplete")) == then, position
        assert now.headers["Log-Position"] == str(position)


def test_before_any_snapshot_nothing_is_known_and_nobody_is_asked(live: Live) -> None:
    observe(live, "alpha", NOON_US, {"paper": {"EUR": ("1", "2")}})
    live.execute(account.stream("alpha"), AddConnector("alpha", "paper"), "connect")
    live.project()
    ((opened,),) = live.sql(
        "select min(notification_id) from events where originator_id = 'account-alpha'"
    )
    assert live.client.get(PATH, params={"as_of": opened - 1}).status_code == 404
    assert live.client.get(PATH, params={"as_of": opened}).json() == {}


@pytest.mark.parametrize("path", [PATH, "/portfolio/state", "/portfolio/balances"])
def test_the_past_cannot_be_asked_for_anew(live: Live, path: str) -> None:
    observe(live, "alpha", NOON_US, {"paper": {"EUR": ("1", "2")}})
    position = live.project()
    answer = live.client.get(path, params={"as_of": position, "refresh": "true"})
    assert answer.status_code == 422
    assert "leave refresh out" in answer.json()["detail"][0]["msg"]
