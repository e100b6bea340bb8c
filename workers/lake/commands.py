"""The command line's part about the lake: what its worker does by itself, done now."""

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from adapters.settings import Settings
from workers.tools.screen import Screen, bar

if TYPE_CHECKING:
    import psycopg

    from workers.lake.writing import LakeWriter

_EXIT_FAILED = 1


def group(load_settings: Callable[[], Settings]) -> typer.Typer:
    """`aviary lake export` and `aviary lake forget-candles`."""
    app = typer.Typer(help="The lake: analytics in Parquet files.", no_args_is_help=True)

    @app.command("export")
    def export(
        afresh: Annotated[
            bool, typer.Option("--afresh", help="Begin with an empty table, at position 1.")
        ] = False,
    ) -> None:
        """Bring the lake's table `events` up to the log's head, as every night."""
        _export(load_settings(), afresh=afresh)

    @app.command("forget-candles")
    def forget() -> None:
        """Empty the lake's table `candles`: what it alone had is fetched from venues again."""
        from adapters.postgres.lake import turn
        from workers.lake.chores import forget_candles

        with _opened(load_settings()) as (session, writer), turn(session):
            forget_candles(session, writer)
        Screen(stderr=True).print("The lake has no candles now.", highlight=False)

    return app


def _export(settings: Settings, *, afresh: bool) -> None:
    from adapters.postgres import lake_chores
    from adapters.postgres.lake import turn
    from workers.lake.chores import export_page
    from workers.lake.writing import CheckpointMoved

    err = Screen(stderr=True)
    with _opened(settings) as (session, writer), bar(err, "events") as shown:
        asked = lake_chores.ask(session, afresh=afresh)
        task = shown.add_task("", total=asked)
        while True:
            try:
                with turn(session):
                    _, position = export_page(session, writer)
            except CheckpointMoved:
                continue  # The worker of the lake was faster with this page.
            shown.update(task, completed=position)
            if position >= asked:
                break
    err.print(f"The lake has the events up to position {position}.", highlight=False)


@contextlib.contextmanager
def _opened(settings: Settings) -> Iterator[tuple["psycopg.Connection[Any]", "LakeWriter"]]:
    """Sessions to write with; ends the command with what stands in the way."""
    import duckdb
    import psycopg

    from adapters.lake.attach import LakeUnavailable, place_for_writing, told
    from adapters.postgres.connect import connect
    from adapters.postgres.lake import OPTIONS
    from workers.lake.chores import LogWasCut
    from workers.lake.writing import LakeWriter
    from workers.running.database import database, settled

    try:
        with database(settings) as dsns:
            place = place_for_writing(settled(settings, dsns))
            if place is None:
                _fail("There is no lake: AVIARY_LAKE_DSN is not set.")
            with (
                connect(dsns.app, OPTIONS, autocommit=True) as session,
                contextlib.closing(LakeWriter(place)) as writer,
            ):
                yield session, writer
    except (LakeUnavailable, LogWasCut) as error:
        _fail(str(error))
    except duckdb.Error as error:
        _fail(told(error))  # Its own words hold the login.
    except psycopg.errors.LockNotAvailable:
        _fail("The worker of the lake is writing for long. Try again.")


def _fail(text: str) -> NoReturn:
    Screen(stderr=True).print(text, style="red", highlight=False, soft_wrap=True)
    raise typer.Exit(_EXIT_FAILED) from None
