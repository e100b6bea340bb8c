"""The command line's part about feeds: what each read model follows, and moving it."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from adapters.settings import Settings
from workers.tools.screen import Screen

if TYPE_CHECKING:
    from rich.table import Table

_EXIT_REFUSED = 1


def group(load_settings: Callable[[], Settings]) -> typer.Typer:
    """`aviary feed list` and `aviary feed set`."""
    app = typer.Typer(help="What each read model follows: the log or Kafka.", no_args_is_help=True)

    @app.command("list")
    def list_feeds() -> None:
        """Show what each read model follows and how far it is."""
        Screen().print(_table(load_settings()))

    @app.command("set")
    def set_feed(
        name: Annotated[str, typer.Argument(help="A read model's name.")],
        feed: Annotated[str, typer.Argument(help="kafka or log.")],
    ) -> None:
        """Move a read model to the other feed, while everything runs."""
        _move(load_settings(), name, feed)

    return app


def _table(settings: Settings) -> "Table":
    from rich.table import Table

    from adapters.postgres.connect import READER_OPTIONS, connect
    from workers.feeding.moves import list_feeds
    from workers.running.database import database

    shown = Table("read model", "feed", "position", "relay")
    with database(settings) as dsns, connect(dsns.app, READER_OPTIONS, autocommit=True) as reader:
        for found in list_feeds(reader):
            shown.add_row(found.projection, found.feed, str(found.position), found.relay or "")
    return shown


def _move(settings: Settings, name: str, feed: str) -> None:
    from kafka.errors import KafkaError

    from workers.feeding.moves import CannotMove, move_to_kafka, move_to_log
    from workers.running.database import database

    if feed not in {"kafka", "log"}:
        raise typer.BadParameter(f"{feed!r} is no feed: say kafka or log")
    err = Screen(stderr=True)
    try:
        with database(settings) as dsns:
            if feed == "kafka":
                position = move_to_kafka(settings, dsns.app, name)
            else:
                position = move_to_log(dsns.app, name)
    except CannotMove as error:
        err.print(str(error), style="red", highlight=False, soft_wrap=True)
        raise typer.Exit(_EXIT_REFUSED) from None
    except KafkaError as error:
        servers = ", ".join(settings.kafka_bootstrap_servers)
        text = f"Kafka at {servers} did not answer: {type(error).__name__}: {error}"
        err.print(text, style="red", highlight=False, soft_wrap=True)
        raise typer.Exit(_EXIT_REFUSED) from error
    err.print(f"{name} follows {feed} from position {position} on.", highlight=False)
