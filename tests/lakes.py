"""Lakes for tests: a catalogue of its own on the session's server, files in a folder of its own."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from msgspec import Struct

from adapters.lake.attach import Place, attach, place_for_reading, place_for_writing
from adapters.postgres import lake as store
from adapters.postgres.bootstrap import create_lake
from adapters.postgres.connect import connect
from adapters.postgres.embedded import EmbeddedPostgres
from adapters.settings import Settings
from workers.lake.worker import PAGE_EVENTS, Batches
from workers.lake.writing import LakeWriter

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_numbers = itertools.count(1)


class Lake(Struct, frozen=True):
    name: str
    folder: Path
    dsn: str
    reader_dsn: str
    more: dict[str, Any] = {}
    """Settings beside those below."""

    @property
    def data(self) -> Path:
        return self.folder / "lake"

    @property
    def changed(self) -> dict[str, Any]:
        """What the settings of its processes say."""
        return {
            "data_dir": self.folder,
            "lake_dsn": self.dsn,
            "lake_reader_dsn": self.reader_dsn,
            "lake_memory_mb": 256,
            **self.more,
        }

    @property
    def environment(self) -> dict[str, str]:
        return {
            "AVIARY_DATA_DIR": str(self.folder),
            "AVIARY_LAKE_DSN": self.dsn,
            "AVIARY_LAKE_READER_DSN": self.reader_dsn,
        }

    @property
    def writing(self) -> Place:
        place = place_for_writing(Settings(**self.changed))
        assert place is not None
        return place

    @property
    def reading(self) -> Place:
        place = place_for_reading(Settings(**self.changed))
        assert place is not None
        return place

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """As a reader that has just come."""
        (found,) = self.ask_all([query])
        return found

    def ask_all(self, queries: Sequence[str]) -> list[list[tuple[Any, ...]]]:
        """One reader for several queries: coming costs it most."""
        with attached(self.reading) as reader:
            return [reader.execute(query).fetchall() for query in queries]


@contextmanager
def attached(place: Place, *, is_writer: bool = False) -> Iterator["DuckDBPyConnection"]:
    connection = attach(place, is_writer=is_writer)
    try:
        yield connection
    finally:
        connection.close()


@contextmanager
def written(place: Place) -> Iterator[LakeWriter]:
    writer = LakeWriter(place)
    try:
        yield writer
    finally:
        writer.close()


@contextmanager
def batching(
    lake: Lake, app_dsn: str, *, page_events: int = PAGE_EVENTS
) -> Iterator[tuple[Batches, LakeWriter]]:
    with (
        connect(app_dsn, store.OPTIONS, autocommit=True) as session,
        written(lake.writing) as writer,
    ):
        yield Batches(session, writer, page_events=page_events), writer


def catch_up_lake(lake: Lake, app_dsn: str, *, page_events: int = PAGE_EVENTS) -> int:
    """Fold until nothing is new, in this process; answers the position reached."""
    with batching(lake, app_dsn, page_events=page_events) as (batches, _):
        while batches.step():
            pass
        return batches.position


@pytest.fixture
def make_lake(cluster: EmbeddedPostgres, tmp_path: Path) -> Iterator[Callable[[], Lake]]:
    """Return the factory of empty lakes; their tables are made by whoever writes first."""
    made: list[str] = []

    def make() -> Lake:
        name = f"lake_{next(_numbers)}"
        with psycopg.connect(cluster.dsn("superuser", "postgres"), autocommit=True) as superuser:
            create_lake(superuser, name)
        made.append(name)
        folder = tmp_path / name
        folder.mkdir()
        return Lake(name, folder, cluster.dsn("lake", name), cluster.dsn("lake_reader", name))

    yield make
    with psycopg.connect(cluster.dsn("superuser", "postgres"), autocommit=True) as superuser:
        for name in made:
            superuser.execute(f"drop database {name} with (force)".encode())


@pytest.fixture
def lake(make_lake: Callable[[], Lake]) -> Lake:
    return make_lake()
