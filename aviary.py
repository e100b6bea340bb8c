"""The front door: the command line, one short function per command."""

import logging
import os
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated

import typer

from adapters.settings import Settings, load
from adapters.values import BadSetting
from workers.feeding import commands as feed_commands
from workers.lake import commands as lake_commands
from workers.running import names
from workers.tools import vault
from workers.tools.schema_app import schema
from workers.tools.screen import Screen, bar

app = typer.Typer(
    help="Aviary: the control plane of a fleet of trading bots.", no_args_is_help=True
)
keys = typer.Typer(help="API keys.", no_args_is_help=True)
parked = typer.Typer(help="Events that a read model could not fold.", no_args_is_help=True)
app.add_typer(keys, name="key")
app.add_typer(parked, name="parked")
app.add_typer(schema, name="schema")
out = Screen()
err = Screen(stderr=True)

EXIT_BROKEN, EXIT_UNREADABLE = 1, 2


def main() -> None:
    """Run a command; a setting that is wrong ends it with its name and the reason."""
    sys.setswitchinterval(0.0002)  # The thread with the log's lock waits 5 ms a step by default.
    try:
        app()
    except BadSetting as error:
        err.print(f"[red]{error}[/red]", highlight=False)
        sys.exit(EXIT_UNREADABLE)


def _settings(**given: object) -> Settings:
    flags = {f"AVIARY_{name.upper()}": str(value) for name, value in given.items() if value}
    settings = load(dict(os.environ) | flags)
    logging.basicConfig(
        level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    # Some of these would write down each request that they send, with its keys.
    for name in ("apscheduler", "kafka", "ccxt", "aiohttp", "websockets"):
        logging.getLogger(name).setLevel(logging.WARNING)
    return settings


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Where everything is kept.")] = None,
) -> None:
    """Run everything: Postgres, the API, the workers and the paper venue."""
    from workers.running.serve import serve as run

    settings = _settings(host=host, port=port, data_dir=data_dir)
    raise typer.Exit(run(settings, lambda: _announce(settings)))


def _announce(settings: Settings) -> None:
    url = f"http://{settings.host}:{settings.port}"
    login = f"{settings.username}:{'admin' if settings.password == 'admin' else '<PASSWORD>'}"  # noqa: S105
    order = (
        '{"account_name": "master_account", "connector_name": "paper", "trading_pair": "EUR-USD", '
        '"trade_type": "BUY", "amount": "100", "order_type": "MARKET"}'
    )
    err.print(
        f"\nAviary is at {url} (docs: {url}/docs); everything it keeps is in "
        f"{settings.data_dir.absolute()}.\nLog in as {login}. A first order:\n\n"
        f"  curl -u {login} {url}/trading/orders -H 'Content-Type: application/json' \\\n"
        f"    -d '{order}'\n  curl -u {login} -X POST {url}/trading/orders/search -d '{{}}'\n\n"
        "Ctrl-C stops it.\n",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


@app.command()
def api(
    host: Annotated[str | None, typer.Option()] = None,
    port: Annotated[int | None, typer.Option()] = None,
    ready_file: Annotated[Path | None, typer.Option(help="Written once it listens.")] = None,
) -> None:
    """Run the API alone."""
    from api.serve import run
    from workers.running.database import database, settled

    settings = _settings(host=host, port=port)
    with database(settings) as dsns:
        run(settled(settings, dsns), ready_file)


@app.command()
def worker(
    wanted: Annotated[
        list[str], typer.Argument(help=f"{', '.join(names.EVERY)}, all or paper.", metavar="NAME")
    ],
) -> None:
    """Run one worker, several, or all of them, in this process."""
    from workers.running import processes
    from workers.running.database import database, settled
    from workers.running.serve import become_paper

    settings = _settings()
    if wanted == ["paper"]:
        become_paper(settings)
    try:
        chosen = names.chosen(settings, wanted)
    except LookupError as error:
        raise typer.BadParameter(str(error)) from None
    with database(settings) as dsns:
        _run_async(processes.run_named(chosen, settled(settings, dsns), dsns.app))


def _run_async(work: Coroutine[object, object, None]) -> None:
    import uvloop

    uvloop.run(work)


@app.command()
def migrate() -> None:
    """Bring the schema up to date and write the first events."""
    from adapters.postgres.log import PostgresLog
    from commands.recounting import recount_if_behind
    from workers.running.database import database, migrate_for
    from workers.running.processes import make_committer
    from workers.tools.seed import seed

    settings = _settings()
    with database(settings) as dsns:
        for name in migrate_for(dsns):
            err.print(f"Applied {name}")
        store = PostgresLog(dsns.app)
        if recount_if_behind(store):
            err.print("Counted the log's orders")
        committer = make_committer(settings, store)
        seed(committer)
        committer.close()
        store.close()


@app.command()
def rebuild(
    name: Annotated[
        str, typer.Argument(help="A read model's name, tallies, or trades_lake, ...")
    ] = "",
    every: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
) -> None:
    """Build read models and the lake's tables from position 0, swap them in; count tallies."""
    from adapters.lake.attach import place_for_writing
    from workers.running.database import database, settled
    from workers.tools.rebuilding import NAMES
    from workers.tools.rebuilding import rebuild as run

    chosen = [one for one in NAMES if every or one == name]
    if not chosen:
        raise typer.BadParameter(f"{name!r} is none of {', '.join(NAMES)}; or --all")
    settings = _settings()
    with database(settings) as dsns:
        lake = place_for_writing(settled(settings, dsns))
        for one in chosen:
            with bar(err, one) as shown:
                task = shown.add_task("")

                def show(at: int, head: int) -> None:
                    shown.update(task, completed=at, total=head)  # noqa: B023

                text = run(dsns, one, show, lake)
            err.print(text)


@app.command()
def replay(
    after: Annotated[int, typer.Option(help="Begin above this position.")] = 0,
    until: Annotated[int | None, typer.Option(help="End with this position.")] = None,
    output: Annotated[Path | None, typer.Option(help="A file instead of the screen.")] = None,
) -> None:
    """Print or export a range of the log as JSON lines."""
    from adapters.postgres.connect import READER_OPTIONS, connect
    from workers.running.database import database
    from workers.tools.history import pages, to_line

    with database(_settings()) as dsns, connect(dsns.app, READER_OPTIONS, autocommit=True) as log:
        sink = output.open("wb") if output else sys.stdout.buffer
        with sink:
            for page in pages(log, after, until):
                sink.writelines(to_line(event) + b"\n" for event in page)


@app.command()
def verify(
    file: Annotated[Path | None, typer.Option(help="An export instead of the database.")] = None,
) -> None:
    """Check every seal. Exit code 0: clean, 1: broken at a position, 2: cannot be read."""
    from workers.tools.checking import verify_database, verify_file

    with bar(err, "verify") as shown:
        task = shown.add_task("", total=None)

        def show(position: int, head: int | None) -> None:
            shown.update(task, completed=position, total=head)

        code, text = verify_file(file, show) if file else verify_database(_settings(), show)
    err.print(text, style="green" if code == 0 else "red", highlight=False)
    raise typer.Exit(code)


@keys.command("create")
def create_key(
    name: str,
    scope: Annotated[list[str], typer.Option(help="read, trade, admin or analyse; repeat.")],
    days: Annotated[int | None, typer.Option(help="Days until it expires.")] = None,
) -> None:
    """Make an API key; the secret is shown once."""
    from workers.tools.keys import create

    key_id, token = create(_settings(), name, tuple(scope), days)
    err.print(f"Key {key_id} for {name!r}. Shown once: Authorization: Bearer", highlight=False)
    out.print(token, highlight=False, soft_wrap=True)


@keys.command("list")
def list_keys() -> None:
    """Show who may do what."""
    from workers.tools.keys import table

    out.print(table(_settings()))


@keys.command("revoke")
def revoke_key(key_id: str, reason: str = "") -> None:
    """End a key's rights at once."""
    from workers.tools.keys import revoke

    revoke(_settings(), key_id, reason)
    err.print(f"Key {key_id} is revoked.", highlight=False)


@parked.command("list")
def list_parked() -> None:
    """Show the keys whose events wait."""
    from workers.tools.checking import parked_table

    out.print(parked_table(_settings()))


@parked.command("retry")
def retry_parked(projection: str | None = None, key: str | None = None) -> None:
    """Fold the waiting events again. Exit code 1 if some still cannot be folded."""
    from workers.projecting.parked import retry_parked as retry
    from workers.running.database import database

    with database(_settings()) as dsns:
        results = retry(dsns.app, projection, key)
    for result in results:
        said = "cured" if result.is_cured else f"still parked: {result.error}"
        err.print(f"{result.projection} {result.key}: {said}", highlight=False)
    raise typer.Exit(0 if all(result.is_cured for result in results) else EXIT_BROKEN)


@app.command()
def health(
    name: Annotated[str, typer.Argument(help=f"api, paper, {', '.join(names.EVERY)} or all.")],
) -> None:
    """Ask whether this host's process of that name is well, for the health checks of containers."""
    from workers.tools.health import check

    is_well, text = check(_settings(), name)
    err.print(text, highlight=False)
    raise typer.Exit(0 if is_well else EXIT_BROKEN)


for part, group in (("feed", feed_commands), ("lake", lake_commands), ("vault", vault)):
    app.add_typer(group.group(_settings), name=part)


@app.command()
def doctor() -> None:
    """Say what is configured, what can be reached and what is behind."""
    from workers.tools.checking import examine

    findings, is_well = examine(_settings())
    out.print(findings)
    raise typer.Exit(0 if is_well else EXIT_BROKEN)


if __name__ == "__main__":
    main()
