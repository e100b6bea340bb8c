"""What nobody destroyed in time, because whoever should have was killed, a sweep destroys."""

import asyncio
from collections.abc import Iterator

import psycopg
import pytest

from adapters.postgres.log import PostgresLog
from adapters.settings import Settings
from adapters.vault.fields import Fields
from adapters.vault.vault import Sealer, Vault
from commands.committer import Committer
from commands.request import from_worker
from domain import account, credential
from domain.account import DeleteAccount, OpenAccount
from domain.credential import (
    Command,
    DeleteCredential,
    OfferCredential,
    RecordCredentialAccepted,
    RecordCredentialRefused,
)
from tests.postgres_fixture import Database
from tests.stores import empty
from workers.dispatching import sweeping
from workers.dispatching.sweeping import sweep
from workers.projecting.projector import catch_up

pytestmark = pytest.mark.postgres
SETTINGS = Settings(master_key=b"k" * 32)
FIELDS = Fields({"binance_api_key": "k", "binance_api_secret": "s"})
MAIN = ("main", "binance")
YES = True


class Stage:
    def __init__(self, database: Database) -> None:
        self.dsn = database.app_dsn
        self.owner_dsn = database.owner_dsn
        self.store = PostgresLog(self.dsn)
        self.committer = Committer(self.store)
        self.vault = Vault(self.dsn, SETTINGS)
        self._commands = 0

    def close(self) -> None:
        self.committer.close()
        self.store.close()

    def seal(self, *secret_ids: str) -> None:
        for secret_id in secret_ids:
            Sealer(self.dsn, SETTINGS).seal(secret_id, *MAIN, FIELDS)

    def do(self, command: Command | account.Command) -> None:
        is_account = isinstance(command, OpenAccount | DeleteAccount)
        stream = account.stream("main") if is_account else credential.stream(*MAIN)
        self._commands += 1  # So that equal ones are two.
        name = f"test {self._commands}"
        outcome = self.committer.execute(from_worker(name, stream, command, correlation_id="c"))
        assert outcome.receipt.outcome == "accepted", outcome.receipt.text

    def offer(self, secret_id: str) -> None:
        self.seal(secret_id)
        self.do(OfferCredential(*MAIN, secret_id, "print"))

    def accept(self, secret_id: str) -> None:
        self.do(RecordCredentialAccepted(*MAIN, secret_id, YES, None))

    def age(self) -> None:
        """As if an hour had passed."""
        with psycopg.connect(self.owner_dsn) as owner:
            owner.execute("update vault set created_at = created_at - interval '1 hour'")

    def sweep(self) -> int:
        catch_up(self.dsn)
        return asyncio.run(sweep(self.dsn, self.store, self.committer, self.vault, 600))

    def kept(self) -> list[str]:
        return sorted(kept.secret_id for kept in self.vault.kept())


@pytest.fixture
def stage(shared: Database) -> Iterator[Stage]:
    empty(shared)
    made = Stage(shared)
    made.do(OpenAccount("main"))
    yield made
    made.close()


def test_what_is_in_force_or_being_checked_stays(stage: Stage) -> None:
    stage.offer("in-force")
    stage.accept("in-force")
    stage.offer("offered")
    stage.age()
    assert stage.sweep() == 0
    assert stage.kept() == ["in-force", "offered"]


def test_what_never_got_into_the_log_goes_but_not_while_it_is_on_its_way(stage: Stage) -> None:
    stage.seal("lost")
    assert stage.sweep() == 0
    stage.age()
    stage.seal("on-its-way")
    assert stage.sweep() == 1
    assert stage.kept() == ["on-its-way"]


def test_replaced_and_refused_secrets_go(stage: Stage) -> None:
    stage.offer("first")
    stage.accept("first")
    stage.offer("never-checked")
    stage.offer("second")
    stage.accept("second")
    stage.offer("refused")
    stage.do(RecordCredentialRefused(*MAIN, "refused", "x", "no"))
    stage.age()
    assert stage.sweep() == 3
    assert stage.kept() == ["second"]


def test_a_deleted_credentials_secrets_go(stage: Stage) -> None:
    stage.offer("first")
    stage.accept("first")
    stage.offer("offered")
    stage.do(DeleteCredential(*MAIN))
    stage.age()
    assert stage.sweep() == 2


def test_a_deleted_accounts_credentials_are_deleted_and_their_secrets_go(stage: Stage) -> None:
    stage.offer("first")
    stage.accept("first")
    stage.do(DeleteAccount("main"))
    stage.age()
    assert stage.sweep() == 1
    tags = [event.tag for event in stage.store.read_stream(credential.stream(*MAIN))]
    assert tags[-1] == "credential.deleted.v1"
    assert stage.sweep() == 0
    assert len(stage.store.read_stream(credential.stream(*MAIN))) == len(tags)


def test_the_same_in_every_opening_of_an_account(stage: Stage) -> None:
    """A sweeper's command is its content: the second opening's must be another one."""
    for number in (1, 2, 3):
        secret_id = f"opening-{number}"
        stage.offer(secret_id)
        stage.accept(secret_id)
        stage.do(DeleteAccount("main"))
        stage.age()
        assert stage.sweep() == 1
        assert stage.kept() == []
        stage.do(OpenAccount("main"))
    deleted = [
        event.tag
        for event in stage.store.read_stream(credential.stream(*MAIN))
        if event.tag == "credential.deleted.v1"
    ]
    assert len(deleted) == 3


def test_a_new_openings_credential_stays_while_the_old_ones_goes(stage: Stage) -> None:
    stage.offer("old")
    stage.accept("old")
    stage.do(DeleteAccount("main"))
    stage.do(OpenAccount("main"))
    stage.offer("new")
    stage.accept("new")
    stage.age()
    assert stage.sweep() == 1
    assert stage.kept() == ["new"]


@pytest.mark.parametrize("point", ["sweep-after-delete", "sweep-before-destroy"])
def test_a_sweep_that_was_killed_is_finished_by_the_next(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    stage.offer("first")
    stage.accept("first")
    stage.do(DeleteAccount("main"))
    stage.seal("lost")
    stage.age()

    def die(name: str) -> None:
        if name == point:
            raise KeyboardInterrupt(name)

    with monkeypatch.context() as dying:
        dying.setattr(sweeping, "crashpoint", die)
        with pytest.raises(KeyboardInterrupt):
            stage.sweep()
    assert stage.kept() == ["first", "lost"]
    assert stage.sweep() == 2
    assert stage.kept() == []
    tags = [event.tag for event in stage.store.read_stream(credential.stream(*MAIN))]
    assert tags.count("credential.deleted.v1") == 1
