"""What `aviary rebuild` makes again from the log: each read model, and the tallies."""

from collections.abc import Callable

from adapters.postgres.log import PostgresLog
from commands.recounting import recount
from projections import PROJECTIONS
from workers.projecting.rebuild import rebuild as rebuild_rows
from workers.running.database import Dsns

TALLIES = "tallies"
_BY_NAME = {projection.name: projection for projection in PROJECTIONS}
NAMES = (*_BY_NAME, TALLIES)


def rebuild(dsns: Dsns, name: str, progress: Callable[[int, int], None]) -> str:
    """Rebuild one of NAMES; answers what was done."""
    if name != TALLIES:
        position = rebuild_rows(dsns.owner, dsns.app, _BY_NAME[name], progress)
        return f"{name}: swapped in at position {position}"
    store = PostgresLog(dsns.app)
    try:
        return f"{name}: counted up to position {recount(store, progress)}"
    finally:
        store.close()
