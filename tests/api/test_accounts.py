"""Accounts by HTTP: opened, listed, deleted, and opened anew."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.api.live import Live, running
from tests.postgres_fixture import Database

pytestmark = pytest.mark.postgres
AT_ONCE = {"Prefer": "wait=0"}


@pytest.fixture
def live(database: Callable[..., Database], seeded: Database, tmp_path: Path) -> Iterator[Live]:
    """An API that serves the paper venue too, wherever that is."""
    with running(database(template=seeded), tmp_path, paper_url="http://127.0.0.1:1") as server:
        yield server


def opened(live: Live, name: str) -> None:
    answer = live.client.post("/accounts", json={"account_name": name}, headers=AT_ONCE)
    assert answer.status_code == 201, answer.text


def names(live: Live) -> list[str]:
    live.project()
    answer = live.client.get("/accounts", params={"min_position": live.head()})
    assert answer.status_code == 200, answer.text
    found: list[str] = answer.json()
    return found


def test_an_account_is_opened_and_listed(live: Live) -> None:
    answer = live.client.post("/accounts", json={"account_name": "second"}, headers=AT_ONCE)
    assert (answer.status_code, answer.json()) == (
        201,
        {"account_name": "second", "message": "Account added successfully."},
    )
    by_query = live.client.post(
        "/accounts/add-account", params={"account_name": "third"}, headers=AT_ONCE
    )
    assert by_query.status_code == 201
    assert by_query.json()["message"] == "Account added successfully."
    assert names(live) == ["master_account", "second", "third"]
    assert live.client.get("/accounts/").json() == ["master_account", "second", "third"]


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("master_account", "account_exists"),
        ("gateway", "reserved_name"),
        ("orders", "reserved_name"),
        ("positions", "reserved_name"),
        ("trades", "reserved_name"),
        ("*", "invalid_name"),
        ("", "invalid_name"),
        ("a b", "invalid_name"),
        ("a/b", "invalid_name"),
        ("a\n", "invalid_name"),
        ("\u00e9", "invalid_name"),
        ("x" * 65, "invalid_name"),
    ],
)
def test_a_name_that_cannot_be_is_a_400(shared: Live, name: str, code: str) -> None:
    for answer in (
        shared.client.post("/accounts", json={"account_name": name}),
        shared.client.post("/accounts/add-account", params={"account_name": name}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (400, code)
        assert answer.json()["detail"]


@pytest.mark.parametrize("body", [b"{}", b"[]", b"nonsense", b'{"account_name": 7}'])
def test_a_body_that_names_no_account_is_a_422(shared: Live, body: bytes) -> None:
    answer = shared.client.post("/accounts", content=body)
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"][0] == "body"
    missing = shared.client.post("/accounts/add-account")
    assert missing.status_code == 422
    assert missing.json()["detail"][0]["loc"] == ["query", "account_name"]


def test_the_same_key_opens_once_and_answers_the_same(live: Live) -> None:
    headers = AT_ONCE | {"Idempotency-Key": "k1"}
    first = live.client.post("/accounts", json={"account_name": "second"}, headers=headers)
    again = live.client.post("/accounts", json={"account_name": "second"}, headers=headers)
    other = live.client.post("/accounts", json={"account_name": "third"}, headers=headers)
    assert (first.status_code, again.status_code, other.status_code) == (201, 201, 422)
    assert first.json() == again.json()
    assert again.headers["Idempotency-Replayed"] == "true"
    assert names(live) == ["master_account", "second"]


def test_a_dry_run_opens_nothing(live: Live) -> None:
    answer = live.client.post("/accounts?dry_run=true", json={"account_name": "second"})
    assert answer.json()["events"] == [{"type": "account.opened.v1", "account": "second"}]
    assert names(live) == ["master_account"]


def test_an_account_is_deleted_by_either_route_and_opened_anew(live: Live) -> None:
    opened(live, "second")
    opened(live, "third")
    for answer in (
        live.client.delete("/accounts/second", headers=AT_ONCE),
        live.client.post(
            "/accounts/delete-account", params={"account_name": "third"}, headers=AT_ONCE
        ),
    ):
        assert (answer.status_code, answer.json()) == (
            200,
            {"message": "Account deleted successfully."},
        )
    assert names(live) == ["master_account"]
    opened(live, "second")
    assert names(live) == ["master_account", "second"]


def test_what_cannot_be_deleted_is_said(live: Live) -> None:
    for name, status, code in (
        ("master_account", 400, "account_protected"),
        ("nobody", 404, "unknown_account"),
        ("gateway", 404, "unknown_account"),
        ("a b", 400, "invalid_name"),
    ):
        for answer in (
            live.client.delete(f"/accounts/{name}"),
            live.client.post("/accounts/delete-account", params={"account_name": name}),
        ):
            assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert names(live) == ["master_account"]


def test_an_account_with_a_live_order_is_not_deleted(live: Live) -> None:
    opened(live, "second")
    added = live.client.post("/accounts/add-credential/second/paper", json={}, headers=AT_ONCE)
    assert added.status_code == 201, added.text
    order = live.placed(account_name="second")
    refused = live.client.delete("/accounts/second")
    assert (refused.status_code, refused.json()["code"]) == (409, "account_busy")
    assert "live orders: 1" in refused.json()["detail"]
    cancelled = live.client.delete(f"/trading/orders/{order}")
    assert cancelled.status_code == 200
    assert live.client.delete("/accounts/second", headers=AT_ONCE).status_code == 200
    gone = live.place(account_name="second")
    assert (gone.status_code, gone.json()["code"]) == (404, "unknown_account")


def test_changes_need_admin_and_lists_need_read(live: Live) -> None:
    made = live.client.post("/keys", json={"name": "t", "scopes": ["read", "trade"]})
    live.project()
    with live.connect(token=made.json()["token"]) as trader:
        assert trader.get("/accounts").status_code == 200
        assert trader.get("/accounts/master_account/credentials").status_code == 200
        for method, path in (
            ("POST", "/accounts"),
            ("POST", "/accounts/add-account"),
            ("DELETE", "/accounts/second"),
            ("PUT", "/accounts/master_account"),
            ("POST", "/accounts/delete-account"),
            ("POST", "/accounts/add-credential/master_account/paper"),
            ("POST", "/accounts/delete-credential/master_account/paper"),
        ):
            assert trader.request(method, path).status_code == 403, path
