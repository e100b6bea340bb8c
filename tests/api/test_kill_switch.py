"""Kill switches by HTTP: engaging, lifting, what is refused meanwhile, what is shown."""

import pytest

from tests.api.live import Live

pytestmark = pytest.mark.postgres
PATH = "/trading/kill-switch"


def lift(live: Live) -> None:
    answer = live.client.post(f"{PATH}/lift", json={})
    assert answer.status_code == 200, answer.text


def test_nothing_is_placed_while_the_switch_of_all_is_engaged(live: Live) -> None:
    answer = live.client.post(PATH, json={"reason": "runaway"})
    assert answer.status_code == 200
    assert answer.json() == {
        "account_name": None,
        "is_engaged": True,
        "message": "The kill switch of all accounts is engaged",
    }
    refused = live.place()
    assert (refused.status_code, refused.json()["code"]) == (409, "kill_switch")
    assert "runaway" in refused.json()["detail"]
    lift(live)
    live.placed()


def test_an_account_s_switch_stops_that_account(live: Live) -> None:
    body = {"account_name": "master_account"}
    assert live.client.post(PATH, json=body).status_code == 200
    assert live.place().json()["code"] == "kill_switch"
    lift(live)  # Of all accounts: the account's own stays.
    assert live.place().json()["code"] == "kill_switch"
    assert live.client.post(f"{PATH}/lift", json=body).status_code == 200
    live.placed()


def test_an_empty_body_stops_everything(live: Live) -> None:
    assert live.client.post(PATH).status_code == 200
    assert live.place().json()["code"] == "kill_switch"


def test_engaging_twice_is_one_event(live: Live) -> None:
    live.client.post(PATH, json={})
    head = live.head()
    assert live.client.post(PATH, json={}).status_code == 200
    assert live.head() == head


def test_there_is_no_switch_of_an_account_that_does_not_exist(live: Live) -> None:
    answer = live.client.post(PATH, json={"account_name": "nobody"})
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_account")
    assert live.client.post(PATH, json={"account_name": "*"}).status_code == 422


@pytest.mark.parametrize("path", [PATH, f"{PATH}/lift"])
def test_a_misspelt_account_is_not_all_accounts(live: Live, path: str) -> None:
    live.client.post(PATH, json={"account_name": "master_account"})
    head = live.head()
    answer = live.client.post(path, json={"account": "master_account"})
    assert answer.status_code == 422
    (error,) = answer.json()["detail"]
    assert (error["type"], error["loc"]) == ("extra_forbidden", ["body", "account"])
    assert live.head() == head


def test_it_is_shown_since_when_by_whom_and_what_is_live(live: Live) -> None:
    live.project()
    (whole,) = live.client.get(PATH).json()["data"]
    assert (whole["account_name"], whole["is_engaged"], whole["since"]) == (None, False, None)
    live.placed()
    live.placed()
    live.client.post(PATH, json={"account_name": "master_account", "reason": "test"})
    live.project()
    whole, own = live.client.get(PATH).json()["data"]
    assert (whole["is_engaged"], whole["live_orders"]) == (False, 2)
    assert own.pop("since").endswith("+00:00")
    assert own == {
        "account_name": "master_account",
        "is_engaged": True,
        "reason": "test",
        "by": "user:tester",
        "live_orders": 2,
    }


def test_trading_keys_engage_it_and_only_admins_lift_it(live: Live) -> None:
    trading, reading = key(live, "trade"), key(live, "read")
    with live.connect(token=trading) as trader, live.connect(token=reading) as reader:
        assert reader.post(PATH, json={}).status_code == 403
        assert trader.post(PATH, json={}).status_code == 200
        assert trader.post(f"{PATH}/lift", json={}).status_code == 403
        assert reader.get(PATH).status_code == 200


def key(live: Live, *scopes: str) -> str:
    answer = live.client.post("/keys", json={"name": "k", "scopes": list(scopes)})
    live.project()
    return str(answer.json()["token"])


def test_a_dry_run_engages_nothing(live: Live) -> None:
    answer = live.client.post(PATH, params={"dry_run": "true"}, json={"reason": "x"})
    assert answer.json()["events"] == [{"type": "switch.engaged.v1", "scope": "*", "reason": "x"}]
    live.placed()
