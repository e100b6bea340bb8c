"""Credentials by HTTP: what the venue's answer makes of them, what is shown, how they end."""

from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from adapters.settings import Settings
from adapters.vault.vault import Vault
from api import submitting
from domain import credential
from domain.credential import RecordCredentialAccepted
from tests.api.live import Live, running
from tests.api.offering import (
    AT_ONCE,
    CANARY,
    KEYS,
    MAIN,
    NO,
    PAPER_URL,
    PATH,
    SHOWN,
    YES,
    accepted,
    add,
    kept,
    refused,
    shown,
    venue,
)
from tests.postgres_fixture import Database

pytestmark = pytest.mark.postgres


@pytest.fixture
def live(database: Callable[..., Database], seeded: Database, tmp_path: Path) -> Iterator[Live]:
    """An API that serves the paper venue too, wherever that is."""
    made = database(template=seeded)
    with running(made, tmp_path, paper_url=PAPER_URL) as server:
        yield server


def test_a_credential_is_sealed_checked_and_shown_by_its_fingerprint(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submitting, "SOON_SECONDS", 30.0)
    with venue(live, accepted):
        answer = add(live)
        assert answer.status_code == 201, answer.text
        body = answer.json()
        assert body["message"] == "Connector credentials added successfully."
        assert body["status"] == "accepted"
        # A client that lists right after it added sees what it added.
        listed = live.client.get("/accounts/master_account/credentials")
        assert listed.json() == ["binance", "paper"]
    state = shown(live)
    assert (state["status"], state["fingerprint"]) == ("active", body["fingerprint"])
    assert (state["can_trade"], state["can_withdraw"]) == (True, False)
    assert state["since"].endswith("+00:00")
    (secret_id,) = kept(live)
    opened = Vault(live.database.app_dsn, live.deps.settings).open(secret_id)
    assert opened.values == KEYS


def test_the_twin_of_the_route_does_the_same(live: Live) -> None:
    with venue(live, accepted):
        answer = live.client.put(
            "/accounts/master_account",
            json={"connector_name": "binance", "credentials": KEYS},
        )
    assert (answer.status_code, answer.json()["status"]) == (200, "accepted")
    assert len(kept(live)) == 1


def test_what_the_venue_refuses_is_a_400_with_its_words_and_leaves_no_secret(live: Live) -> None:
    with venue(live, refused):
        answer = add(live)
    assert (answer.status_code, answer.json()) == (
        400,
        {"detail": "binance does not take the credential: Invalid API-key.", "code": "-2015"},
    )
    assert kept(live) == []
    state = shown(live)
    assert (state["status"], state["refused"]["detail"]) == ("refused", "Invalid API-key.")


def test_the_credential_in_force_stays_when_another_is_refused(live: Live) -> None:
    with venue(live, accepted):
        first = add(live).json()["fingerprint"]
    (before,) = kept(live)
    with venue(live, lambda name: accepted(name) if name == before else refused(name)):
        other = add(live, {**KEYS, "binance_api_key": "another key"})
    assert other.status_code == 400
    assert kept(live) == [before]
    state = shown(live)
    assert (state["status"], state["fingerprint"]) == ("active", first)
    assert state["refused"]["code"] == "-2015"


def test_a_venue_that_does_not_answer_leaves_it_pending(live: Live) -> None:
    answer = add(live, **AT_ONCE)
    assert answer.status_code == 201
    body = answer.json()
    assert (body["status"], len(kept(live))) == ("pending", 1)
    assert answer.headers["Command-Id"]
    assert "has not answered yet" in body["message"]
    state = shown(live)
    assert (state["status"], state["pending"]["fingerprint"]) == ("pending", body["fingerprint"])
    live.execute(credential.stream(*MAIN), accepted(kept(live)[0]), "late")
    assert shown(live)["status"] == "active"


def test_a_repeated_request_seals_once_and_hears_the_same(live: Live) -> None:
    key = {"Idempotency-Key": "once"}
    pending = add(live, **AT_ONCE, **key)
    assert pending.json()["status"] == "pending"
    live.execute(credential.stream(*MAIN), refused(kept(live)[0]), "verdict")
    answers = [add(live, **AT_ONCE, **key) for _ in range(3)]
    assert {answer.status_code for answer in answers} == {400}
    assert len({answer.content for answer in answers}) == 1
    assert {answer.headers["Idempotency-Replayed"] for answer in answers if answer.headers} == {
        "true"
    }
    assert kept(live) == []
    other = add(live, {**KEYS, "binance_api_key": "another"}, **AT_ONCE, **key)
    assert (other.status_code, other.json()["code"]) == (422, "key_reused")
    assert kept(live) == []


def test_a_later_offer_takes_the_place_of_one_that_waits(live: Live) -> None:
    first = add(live, **AT_ONCE, **{"Idempotency-Key": "first"})
    second = add(live, {**KEYS, "binance_api_key": "another"}, **AT_ONCE)
    assert (first.status_code, second.status_code) == (201, 201)
    again = add(live, **AT_ONCE, **{"Idempotency-Key": "first"})
    assert (again.status_code, again.json()["code"]) == (409, "replaced")
    assert len(kept(live)) == 1


def test_no_secret_is_kept_for_an_account_that_is_not_there(live: Live) -> None:
    answer = live.client.post("/accounts/add-credential/nobody/binance", json=KEYS)
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_account")
    put = live.client.put(
        "/accounts/nobody", json={"connector_name": "binance", "credentials": KEYS}
    )
    assert (put.status_code, put.json()["code"]) == (404, "unknown_account")
    assert kept(live) == []


def test_a_connector_that_needs_no_secret_takes_none(live: Live) -> None:
    live.client.post("/accounts", json={"account_name": "second"}, headers=AT_ONCE)
    path = "/accounts/add-credential/second/paper"
    before = live.place(account_name="second")
    assert (before.status_code, before.json()["code"]) == (404, "unknown_connector")
    answer = live.client.post(path, json={}, headers=AT_ONCE)
    assert (answer.status_code, answer.json()["status"]) == (201, "accepted")
    assert answer.json()["fingerprint"] is None
    assert live.client.post(path, headers=AT_ONCE).status_code == 201
    assert kept(live) == []
    live.placed(account_name="second")
    wrong = live.client.post(path, json={"key": CANARY}, headers=AT_ONCE)
    assert wrong.status_code == 422
    assert CANARY not in wrong.text


def test_a_credential_is_deleted_with_its_secret_and_again_is_harmless(live: Live) -> None:
    with venue(live, accepted):
        add(live)
        add(live, {**KEYS, "binance_api_key": "waits"}, **AT_ONCE)
    path = "/accounts/delete-credential/master_account/binance"
    for _ in range(2):
        answer = live.client.post(path, headers=AT_ONCE)
        assert (answer.status_code, answer.json()) == (
            200,
            {"message": "Credential deleted successfully."},
        )
        assert kept(live) == []
    live.project()
    assert live.client.get("/accounts/master_account/credentials").json() == ["paper"]
    assert live.client.get(SHOWN).status_code == 404
    nobody = live.client.post("/accounts/delete-credential/nobody/binance", headers=AT_ONCE)
    assert nobody.status_code == 200


def test_a_connector_that_came_with_the_account_can_be_taken_from_it(live: Live) -> None:
    live.placed()
    path = "/accounts/delete-credential/master_account/paper"
    assert live.client.post(path, headers=AT_ONCE).status_code == 200
    live.project()
    assert live.client.get("/accounts/master_account/credentials").json() == []
    assert live.place().status_code == 404
    live.client.post("/accounts/add-credential/master_account/paper", headers=AT_ONCE)
    live.placed()


def test_an_account_takes_its_credentials_with_it(live: Live) -> None:
    live.client.post("/accounts", json={"account_name": "second"}, headers=AT_ONCE)
    path = "/accounts/add-credential/second/binance"
    live.client.post(path, json=KEYS, headers=AT_ONCE)
    (secret_id,) = kept(live)
    stream = credential.stream("second", "binance")
    live.execute(stream, RecordCredentialAccepted("second", "binance", secret_id, YES, NO), "yes")
    live.project()
    assert live.client.get("/accounts/second/credentials").json() == ["binance"]
    live.client.delete("/accounts/second", headers=AT_ONCE)
    assert kept(live) == []  # Though no read model knows of the deletion yet.
    live.project()
    assert live.client.get("/accounts/second/credentials").status_code == 404
    live.client.post("/accounts", json={"account_name": "second"}, headers=AT_ONCE)
    live.project()
    assert live.client.get("/accounts/second/credentials").json() == []
    assert live.client.get("/accounts/second/credentials/binance").status_code == 404


def test_a_dry_run_seals_nothing_and_tells_what_would_be(live: Live) -> None:
    answer = live.client.post(PATH, params={"dry_run": "true"}, json=KEYS)
    (event,) = answer.json()["events"]
    assert (event["type"], event["account"]) == ("credential.offered.v1", "master_account")
    assert CANARY not in answer.text
    assert kept(live) == []


def test_equal_fields_have_one_fingerprint_and_others_another(live: Live) -> None:
    prints = [
        add(live, body, **AT_ONCE).json()["fingerprint"]
        for body in (KEYS, dict(reversed(KEYS.items())), {**KEYS, "binance_api_key": "b"})
    ]
    assert prints[0] == prints[1] != prints[2]


def test_with_another_password_nothing_is_sealed(live: Live, tmp_path: Path) -> None:
    add(live, **AT_ONCE)
    with running(
        live.database,
        tmp_path / "other",
        paper_url=PAPER_URL,
        master_key=b"w" * 32,
    ) as other:
        answer = add(other, **AT_ONCE)
    assert (answer.status_code, answer.json()["code"]) == (503, "wrong_master_key")
    assert "AVIARY_OLD_MASTER_KEYS" in answer.json()["detail"]
    assert len(kept(live)) == 1


def test_the_api_cannot_open_what_it_sealed(live: Live) -> None:
    add(live, **AT_ONCE)
    settings: Settings = live.deps.settings
    assert not hasattr(live.deps.sealer, "open")
    with (
        psycopg.connect(live.database.app_dsn, options="-c role=aviary_writer") as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute("select wrapped_key from vault")
    assert CANARY not in repr(settings)
