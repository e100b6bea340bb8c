"""`aviary vault`: the list, another master key, and Hummingbot's folders in and out."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from msgspec import structs
from typer.testing import CliRunner, Result

from adapters.postgres.log import PostgresLog
from adapters.settings import Settings
from adapters.vault import hummingbot, keystore
from adapters.vault.fields import Fields
from adapters.vault.vault import Owner, Sealer, Vault
from commands.committer import Committer
from commands.request import from_worker
from domain import credential
from domain.credential import RecordCredentialAccepted, RecordCredentialRefused
from tests.postgres_fixture import Database
from workers.projecting.projector import catch_up
from workers.tools import vault as vault_commands
from workers.tools.seed import seed
from workers.tools.vault_health import examine_vault

pytestmark = pytest.mark.postgres
CANARY = "canary-11fe"
BINANCE = Fields({"binance_api_key": CANARY, "binance_api_secret": "s" * 20})
OKX = Fields({"okx_api_key": CANARY, "okx_secret_key": "s", "okx_passphrase": "p p"})
MAIN = "master_account"
YES = True


class Stage:
    def __init__(self, database: Database, folder: Path) -> None:
        self.dsn = database.app_dsn
        self.folder = folder
        self.settings = Settings(
            database_url=self.dsn,
            data_dir=folder / "data",
            master_key=b"o" * 32,
            config_password="pass word",
        )
        self.store = PostgresLog(self.dsn)
        self.committer = Committer(self.store)
        seed(self.committer)

    def close(self) -> None:
        self.committer.close()
        self.store.close()

    def run(self, *arguments: object, text: str = "") -> Result:
        app = vault_commands.group(lambda: self.settings)
        found = CliRunner().invoke(app, [str(each) for each in arguments], input=text)
        assert CANARY not in found.output
        return found

    def secrets(self) -> dict[str, str]:
        kept = Vault(self.dsn, self.settings).kept()
        return {each.connector: each.secret_id for each in kept}

    def accept(self) -> None:
        for connector, secret_id in self.secrets().items():
            command = RecordCredentialAccepted(MAIN, connector, secret_id, YES, None)
            stream = credential.stream(MAIN, connector)
            self.committer.execute(from_worker("test", stream, command, correlation_id="c"))
        catch_up(self.dsn)


@pytest.fixture
def stage(
    migrated: Callable[[], Database], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Stage]:
    monkeypatch.setattr(vault_commands, "WAIT_SECONDS", 0.0)
    true = keystore.encrypt
    monkeypatch.setattr(keystore, "encrypt", lambda password, text: true(password, text, 3))
    made = Stage(migrated(), tmp_path)
    hummingbot.write(tmp_path / "in", "pass word", {"binance": BINANCE, "okx": OKX})
    yield made
    made.close()


def test_a_folder_goes_in_and_comes_out_as_it_was(stage: Stage) -> None:
    said = stage.run("import", stage.folder / "in", "--account", MAIN)
    assert said.exit_code == 0, said.output
    assert said.output.count("its venue will be asked") == 2
    stage.accept()
    out = stage.run("export", stage.folder / "out", "--account", MAIN)
    assert out.exit_code == 0, out.output
    assert hummingbot.read(stage.folder / "out", "pass word") == (
        {"binance": BINANCE, "okx": OKX},
        {},
    )


def test_what_a_venue_says_within_the_time_is_shown(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vault_commands, "WAIT_SECONDS", 30.0)
    execute = Committer.execute

    def answering(committer: Committer, request: object, *more: object) -> object:
        outcome = execute(committer, request, *more)  # type: ignore[arg-type]
        for connector, verdict in (
            ("binance", RecordCredentialAccepted),
            ("okx", RecordCredentialRefused),
        ):
            if secret_id := stage.secrets().get(connector):
                words = (YES, None) if connector == "binance" else ("50113", "Invalid Sign")
                command = verdict(MAIN, connector, secret_id, *words)
                stream = credential.stream(MAIN, connector)
                execute(stage.committer, from_worker("test", stream, command, correlation_id="c"))
        return outcome

    monkeypatch.setattr(Committer, "execute", answering)
    said = stage.run("import", stage.folder / "in", "--account", MAIN)
    assert said.exit_code == 1
    assert "binance: taken" in said.output
    assert "okx: Invalid Sign" in said.output


def test_nothing_stays_of_what_is_not_taken(stage: Stage) -> None:
    said = stage.run("import", stage.folder / "in", "--account", "nobody")
    assert said.exit_code == 1
    assert said.output.count("'nobody' does not exist") == 2
    assert stage.secrets() == {}


def test_fields_that_do_not_fit_are_named(stage: Stage) -> None:
    hummingbot.write(stage.folder / "in", "pass word", {"binance": BINANCE})
    file = stage.folder / "in/connectors/binance.yml"
    file.write_text(file.read_text() + "more: x\n")
    (stage.folder / "in/connectors/okx.yml").unlink()
    said = stage.run("import", stage.folder / "in", "--account", MAIN)
    assert said.exit_code == 1
    assert "binance: more: There is no such field" in said.output


def test_a_wrong_password_is_said(stage: Stage) -> None:
    stage.settings = structs.replace(stage.settings, config_password="wrong")
    said = stage.run("import", stage.folder / "in", "--account", MAIN)
    assert (said.exit_code, "The password is not the one" in said.output) == (1, True)


def test_without_a_setting_the_password_is_asked_for(stage: Stage) -> None:
    stage.settings = structs.replace(stage.settings, config_password=None)
    said = stage.run("import", stage.folder / "in", "--account", MAIN, text="pass word\n")
    assert said.exit_code == 0, said.output
    assert "pass word" not in said.output
    assert sorted(stage.secrets()) == ["binance", "okx"]


def test_an_account_without_credentials_is_not_exported(stage: Stage) -> None:
    said = stage.run("export", stage.folder / "out", "--account", MAIN)
    assert (said.exit_code, "no credential in force" in said.output) == (1, True)
    assert not (stage.folder / "out").exists()


def test_what_was_sealed_under_the_old_key_meanwhile_is_said(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    former, rotate = stage.settings, Vault.rotate
    for secret_id in ("first", "second"):
        Sealer(stage.dsn, former).seal(secret_id, MAIN, "binance", BINANCE)
    stage.settings = structs.replace(former, master_key=b"n" * 32, old_master_keys=(b"o" * 32,))

    def slow(vault: Vault) -> Iterator[Owner]:
        for owner in rotate(vault):
            if owner.secret_id == "first":
                Sealer(stage.dsn, former).seal("behind", MAIN, "okx", OKX)
            yield owner

    monkeypatch.setattr(Vault, "rotate", slow)
    said = stage.run("rotate")
    assert (said.exit_code, "2 secrets moved, and 1 came" in said.output) == (1, True)
    monkeypatch.setattr(Vault, "rotate", rotate)
    again = stage.run("rotate")
    assert (again.exit_code, "all are under" in again.output) == (0, True)


def test_the_list_tells_which_key_each_is_under_and_a_rotation_moves_them(stage: Stage) -> None:
    stage.run("import", stage.folder / "in", "--account", MAIN)
    old = Vault(stage.dsn, stage.settings).keys().newest.id
    listed = stage.run("list").output
    assert (listed.count(old), listed.count(" yes ")) == (2, 2)
    stage.settings = structs.replace(stage.settings, master_key=b"n" * 32)
    assert stage.run("list").output.count("unknown here") == 2
    refused = stage.run("rotate")
    assert (refused.exit_code, old in refused.output) == (1, True)
    assert examine_vault(stage.settings, stage.dsn) == [
        ("vault", "2 secrets, 2 under a master key that is not given here", False)
    ]
    stage.settings = structs.replace(stage.settings, old_master_keys=(b"o" * 32,))
    assert "2 under an old one" in examine_vault(stage.settings, stage.dsn)[0][1]
    moved = stage.run("rotate")
    assert (moved.exit_code, "2 secrets moved" in moved.output) == (0, True)
    stage.settings = structs.replace(stage.settings, old_master_keys=())
    assert examine_vault(stage.settings, stage.dsn) == [
        ("vault", "2 secrets, 0 under a master key that is not given here", True)
    ]
    stage.accept()
    assert stage.run("export", stage.folder / "out", "--account", MAIN).exit_code == 0
