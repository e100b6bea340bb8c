"""The vault from the command line: its list, new master keys, Hummingbot's files in and out."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adapters.settings import Settings
from workers.tools.screen import Screen

if TYPE_CHECKING:
    from rich.table import Table

WAIT_SECONDS = 30.0
_POLL_SECONDS = 0.2
err = Screen(stderr=True, soft_wrap=True, highlight=False)
Account = Annotated[str, typer.Option(help="Name of the account.")]
Folder = Annotated[Path, typer.Argument(help="Holds connectors/*.yml and .password_verification.")]


def group(load_settings: Callable[[], Settings]) -> typer.Typer:
    """`aviary vault list`, `rotate`, `import` and `export`."""
    app = typer.Typer(help="Sealed credentials.", no_args_is_help=True)

    @app.command("list")
    def list_secrets() -> None:
        """Show whose secrets there are, and under which master key."""
        Screen().print(_table(load_settings()))

    @app.command("rotate")
    def rotate() -> None:
        """Put every secret under the newest master key; may be stopped and run again."""
        _rotate(load_settings())

    @app.command("import")
    def import_folder(folder: Folder, account: Account) -> None:
        """Offer the credentials in a folder of Hummingbot's. Exit code 1 if one is not taken."""
        raise typer.Exit(_import(load_settings(), folder, account))

    @app.command("export")
    def export_folder(folder: Folder, account: Account) -> None:
        """Write an account's credentials as Hummingbot reads them, for us alone to read."""
        _export(load_settings(), folder, account)

    return app


def _table(settings: Settings) -> "Table":
    from rich.table import Table

    from adapters.vault.vault import Vault
    from workers.running.database import database

    shown = Table("account", "connector", "since", "master key", "newest")
    with database(settings) as dsns:
        vault = Vault(dsns.app, settings)
        names = vault.keys().by_id
        for kept in vault.kept():
            key = kept.master_key_id if kept.master_key_id in names else "unknown here"
            is_newest = "yes" if key == vault.keys().newest.id else "no"
            since = f"{kept.created_at:%Y-%m-%d}"
            shown.add_row(kept.account, kept.connector, since, key, is_newest)
    return shown


def _rotate(settings: Settings) -> None:
    from adapters.vault.sealing import SecretDamaged, WrongMasterKey
    from adapters.vault.vault import Vault
    from workers.running.database import database

    with database(settings) as dsns:
        vault, count = Vault(dsns.app, settings), 0
        try:
            for owner in vault.rotate():
                count += 1
                err.print(f"{owner.account} at {owner.connector}", markup=False)
        except (WrongMasterKey, SecretDamaged) as error:
            err.print(str(error), style="red", markup=False)
            raise typer.Exit(1) from error
        newest = vault.keys().newest.id
        left = sum(kept.master_key_id != newest for kept in vault.kept())
    if left:
        text = (
            f"{count} secrets moved, and {left} came under another master key meanwhile. Give "
            "every API process the new one, then run this again."
        )
        err.print(text, style="red", markup=False)
        raise typer.Exit(1)
    err.print(f"{count} secrets moved; all are under the master key {newest}.", markup=False)


def _password(settings: Settings, *, confirm: bool) -> str:
    if settings.config_password:
        return settings.config_password
    asked: str = typer.prompt("Password of the files", hide_input=True, confirmation_prompt=confirm)
    return asked


def _import(settings: Settings, folder: Path, account: str) -> int:
    from adapters.vault import hummingbot
    from workers.tools.offering import Offering

    try:
        found, failed = hummingbot.read(folder, _password(settings, confirm=False))
    except hummingbot.BadFolder as error:
        err.print(str(error), style="red", markup=False)
        return 1
    with Offering(settings, account) as offering:
        offered = {}
        for connector, fields in found.items():
            try:
                offered[connector] = offering.offer(connector, fields)
            except ValueError as error:
                failed[connector] = str(error)
        give_up_at = time.monotonic() + WAIT_SECONDS
        for connector, secret_id in offered.items():
            outcome = offering.outcome(connector, secret_id)
            while outcome is None and time.monotonic() < give_up_at:
                time.sleep(_POLL_SECONDS)
                outcome = offering.outcome(connector, secret_id)
            if outcome is None:
                text = "sealed; its venue will be asked as soon as a dispatcher runs"
                err.print(f"{connector}: {text}", markup=False)
            elif outcome.outcome == "accepted":
                err.print(f"{connector}: taken", style="green", markup=False)
            else:
                failed[connector] = outcome.text or outcome.outcome
    for connector, text in failed.items():
        err.print(f"{connector}: {text}", style="red", markup=False)
    return 1 if failed else 0


def _export(settings: Settings, folder: Path, account: str) -> None:
    from adapters.vault import hummingbot
    from adapters.vault.vault import Vault
    from workers.running.database import database
    from workers.tools.offering import in_force

    password = _password(settings, confirm=True)
    with database(settings) as dsns:
        vault = Vault(dsns.app, settings)
        held = {
            connector: vault.open(secret_id)
            for connector, secret_id in in_force(dsns.app, account).items()
        }
    if not held:
        err.print(f"Account {account!r} has no credential in force.", style="red", markup=False)
        raise typer.Exit(1)
    try:
        written = hummingbot.write(folder, password, held)
    except hummingbot.BadFolder as error:
        err.print(str(error), style="red", markup=False)
        raise typer.Exit(1) from error
    for path in written:
        err.print(f"Wrote {path}", markup=False)
