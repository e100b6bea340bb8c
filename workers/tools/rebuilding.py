"""What `aviary rebuild` makes again from the log: read models, tallies, and tables of the lake."""

from collections.abc import Callable

import typer

from adapters.lake.attach import Place
from adapters.lake.tables import FOLDED
from adapters.postgres.log import PostgresLog
from commands.recounting import recount
from projections import PROJECTIONS
from workers.lake.rebuilding import rebuild as rebuild_lake
from workers.projecting.projector import Halted
from workers.projecting.rebuild import rebuild as rebuild_rows
from workers.running.database import Dsns
from workers.tools.screen import Screen

TALLIES = "tallies"
_BY_NAME = {projection.name: projection for projection in PROJECTIONS}
_LAKE_TABLES = {f"{table}_lake": table for table in FOLDED}
NAMES = (*_BY_NAME, *_LAKE_TABLES, TALLIES)


def rebuild(
    dsns: Dsns, name: str, progress: Callable[[int, int], None], lake: Place | None = None
) -> str:
    """Rebuild one of NAMES; answers what was done. Raises typer.Exit with what stops it said."""
    if name in _LAKE_TABLES:
        if lake is None:
            return f"{name}: there is no lake (AVIARY_LAKE_DSN is not set)"
        position = rebuild_lake(lake, dsns.app, _LAKE_TABLES[name], progress)
        return f"{name}: swapped in at position {position}"
    if name != TALLIES:
        try:
            position = rebuild_rows(dsns.owner, dsns.app, _BY_NAME[name], progress)
        except Halted as error:
            said = f"{error}. Its rows are as they were."
            Screen(stderr=True).print(said, style="red", markup=False, highlight=False)
            raise typer.Exit(1) from error
        return f"{name}: swapped in at position {position}"
    store = PostgresLog(dsns.app)
    try:
        return f"{name}: counted up to position {recount(store, progress)}"
    finally:
        store.close()
