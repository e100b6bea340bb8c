"""A real Postgres with fsync on, in a folder of its own, for as long as a measurement takes."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from adapters.postgres.embedded import EmbeddedPostgres
from tests.seeding import begin
from workers.running.database import Dsns, dsns_of


@contextlib.contextmanager
def fresh_log() -> Iterator[Dsns]:
    """An empty, migrated log with the first events."""
    with (
        tempfile.TemporaryDirectory(prefix="aviary-bench-") as folder,
        EmbeddedPostgres(Path(folder)) as server,
    ):
        dsns = dsns_of(server)
        begin(dsns)
        yield dsns
