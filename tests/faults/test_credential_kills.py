"""Kill -9 at every step of a credential's way: in the end it is in force once, or gone for good."""

import asyncio
import signal
from concurrent.futures import ThreadPoolExecutor

import httpx
import psycopg
import pytest

from adapters.postgres.log import PostgresLog
from adapters.settings import load
from adapters.vault.vault import Vault
from commands.committer import Committer
from tests.doubles.binance_process import BinanceProcess
from tests.faults.crash_points import points_in
from tests.faults.processes import Process, until
from tests.faults.world import World
from workers.dispatching.sweeping import sweep

pytestmark = [pytest.mark.faults, pytest.mark.postgres]

ADD = "/accounts/add-credential/second/binance"
DELETE = "/accounts/delete-credential/second/binance"
ADDING = ("credential-before-seal", "credential-after-seal", "credential-after-offer")
DELETING = ("credential-after-delete", "credential-after-destroy")
CLOSING = ("account-after-delete", "account-after-credential")
CHECKING = ("credential-before-check", "credential-after-check", "credential-after-record")
SWEEPING = ("sweep-after-delete", "sweep-before-destroy")


class Stage:
    """The world of the orders, with the Binance double and an account of its own."""

    def __init__(self, scene: World, double: BinanceProcess) -> None:
        scene.environment["VENUE_URL_BINANCE"] = double.url
        self.scene = scene
        key, secret = double.new_account(f"kills-{scene.database.name}")
        self.fields = {"binance_api_key": key, "binance_api_secret": secret}
        self.api = scene.door("api")
        self.worker = scene.worker()

    def start(self, *, api: str = "", worker: str = "") -> None:
        for process, point in ((self.api, api), (self.worker, worker)):
            process.start(**({"AVIARY_CRASH": point} if point else {}))
        self.insist("POST", "/accounts", "open", json={"account_name": "second"})

    def insist(self, method: str, path: str, key: str, json: object = None) -> httpx.Response:
        """Ask until it is answered, reviving whoever died; always with the same key."""
        found: list[httpx.Response] = []

        def is_answered() -> bool:
            for process in (self.api, self.worker):
                process.revive()
            url = f"http://127.0.0.1:{self.scene.door_port}{path}"
            try:
                answer = httpx.request(
                    method,
                    url,
                    json=json,
                    # Whoever died has to start and to wait for a lease before there is an outcome.
                    headers={"Idempotency-Key": key, "Prefer": "wait=60"},
                    auth=("admin", "admin"),
                    timeout=90,
                )
            except httpx.TransportError:
                return False
            found.append(answer)
            return answer.status_code < 500

        until(is_answered, f"{method} {path} is answered", 120)
        return found[-1]

    def add(self) -> httpx.Response:
        return self.insist("POST", ADD, "add", json=self.fields)

    def sweep(self) -> None:
        """What a worker does in time, as if an hour had passed."""
        with psycopg.connect(self.scene.database.owner_dsn) as owner:
            owner.execute("update vault set created_at = created_at - interval '1 hour'")
        store = PostgresLog(self.scene.database.app_dsn)
        committer = Committer(store)
        vault = Vault(self.scene.database.app_dsn, load(self.scene.environment, None))
        try:
            asyncio.run(sweep(self.scene.database.app_dsn, store, committer, vault, 600))
        finally:
            committer.close()
            store.close()

    def kept(self) -> list[str]:
        vault = Vault(self.scene.database.app_dsn, load(self.scene.environment, None))
        return [kept.secret_id for kept in vault.kept()]

    def tags(self) -> list[str]:
        with psycopg.connect(self.scene.database.owner_dsn) as owner:
            found = owner.execute(
                """select topic from events where originator_id = 'credential-second/binance'
                order by originator_version"""
            )
            return [tag for (tag,) in found]

    def check_in_force(self) -> None:
        """Offered once, accepted once, one secret that opens; and it can be traded with."""
        assert self.tags() == ["credential.offered.v1", "credential.accepted.v1"]
        self.sweep()
        (secret_id,) = self.kept()
        vault = Vault(self.scene.database.app_dsn, load(self.scene.environment, None))
        assert vault.open(secret_id).values == self.fields


@pytest.fixture
def stage(scene: World, binance_double: BinanceProcess) -> Stage:
    return Stage(scene, binance_double)


def check_died(process: Process) -> None:
    assert process.deaths == [-signal.SIGKILL], process.log.read_text()[-2000:]


def test_every_point_of_the_code_is_tried() -> None:
    tried = {*ADDING, *DELETING, *CLOSING, *CHECKING, *SWEEPING}
    found = points_in("api") | points_in("workers")
    assert {name for name in found if name.startswith(("credential-", "account-", "sweep-"))} == (
        tried
    )


@pytest.mark.parametrize("point", ADDING)
def test_an_api_killed_while_it_takes_a_credential_takes_it_once(stage: Stage, point: str) -> None:
    stage.start(api=point)
    assert stage.add().status_code == 201
    check_died(stage.api)
    stage.check_in_force()


@pytest.mark.parametrize("point", CHECKING)
def test_a_worker_killed_while_it_checks_a_credential_accepts_it_once(
    stage: Stage, point: str
) -> None:
    stage.start(worker=point)
    # The API waits for the outcome meanwhile, so somebody else must see that the worker died.
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(stage.add)
        until(lambda: stage.worker.revive() or stage.worker.deaths, "the worker has died")
        assert answer.result().json()["status"] == "accepted"
    check_died(stage.worker)
    stage.check_in_force()


@pytest.mark.parametrize("point", DELETING)
def test_an_api_killed_while_it_deletes_a_credential_leaves_no_secret(
    stage: Stage, point: str
) -> None:
    stage.start(api=point)
    assert stage.add().json()["status"] == "accepted"
    assert stage.insist("POST", DELETE, "delete").status_code == 200
    check_died(stage.api)
    assert stage.kept() == []
    assert stage.tags()[2:] == ["credential.deleted.v1"]


@pytest.mark.parametrize("point", CLOSING)
def test_an_api_killed_while_it_deletes_an_account_leaves_nothing_after_the_sweep(
    stage: Stage, point: str
) -> None:
    stage.start(api=point)
    assert stage.add().json()["status"] == "accepted"
    held = "/accounts/second/credentials"
    until(lambda: stage.insist("GET", held, "held").json() == ["binance"], "it is shown")
    assert stage.insist("DELETE", "/accounts/second", "delete").status_code == 200
    check_died(stage.api)

    def is_deleted() -> bool:
        stage.sweep()  # Read models may be behind, and then the next one finds it.
        return len(stage.tags()) > 2

    until(is_deleted, "the credential is deleted")
    stage.sweep()
    assert stage.kept() == []
    assert stage.tags()[2:] == ["credential.deleted.v1"]
    again = stage.insist("POST", "/accounts", "open-again", json={"account_name": "second"})
    assert again.status_code == 201
    shown = "/accounts/second/credentials"
    until(lambda: stage.insist("GET", shown, "none").json() == [], "the new one has none")
