"""`aviary schema`: the events' schemas in docs/events, compared with the code and added to."""

from pathlib import Path
from typing import Annotated

import typer

from workers.tools.screen import Screen

schema = typer.Typer(help="The published schemas of the events.", no_args_is_help=True)
err = Screen(stderr=True, soft_wrap=True, highlight=False)
Folder = Annotated[Path, typer.Option(help="Where the schemas are checked in.")]
DOCS = Path("docs/events")


@schema.command("check")
def check_schemas(folder: Folder = DOCS) -> None:
    """Compare what is checked in with the code. Exit code 1 where they differ."""
    from workers.tools.schemas import check

    found = check(folder)
    for text in found:
        err.print(text, style="red", markup=False)
    if found:
        raise typer.Exit(1)
    err.print(f"{folder} says what the code says.", style="green", markup=False)


@schema.command("write")
def write_schemas(folder: Folder = DOCS) -> None:
    """Add new tags and new wording; a tag that has changed is refused and nothing is written."""
    from workers.tools.schemas import Refused, write

    try:
        names = write(folder)
    except Refused as refused:
        err.print(str(refused), style="red", markup=False)
        raise typer.Exit(1) from refused
    for name in names:
        err.print(f"Wrote {folder / name}", markup=False)
    if not names:
        err.print(f"{folder} says what the code says already.", style="green", markup=False)
