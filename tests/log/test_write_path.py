"""The write path under every order of events: many histories in memory, fewer in Postgres."""

from collections.abc import Mapping
from contextlib import closing
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from adapters.memory import MemoryStore
from adapters.postgres.connect import READER_OPTIONS, connect
from adapters.postgres.log import PostgresLog
from adapters.postgres.rows import load_rows
from commands.store import Store
from projections import PROJECTIONS
from projections.projection import Projection
from tests.folds import texts, texts_of_pure_fold
from tests.postgres_fixture import Database
from tests.stores import check_log, empty
from tests.write_path import Backend, MemoryBackend, WritePath
from workers.projecting.projector import Projector, catch_up
from workers.projecting.rebuild import rebuild

PHASES = (Phase.explicit, Phase.reuse, Phase.generate)
"""No shrinking in Postgres, where a step takes long: the machine in memory shrinks the same."""


class PostgresBackend:
    def __init__(self, database: Database) -> None:
        empty(database)
        self._database = database
        self._opened: list[PostgresLog] = []
        self._reader = connect(database.app_dsn, READER_OPTIONS, autocommit=True)

    def reopen(self) -> Store:
        self._opened.append(PostgresLog(self._database.app_dsn))
        return self._opened[-1]

    def project(self, size: int) -> None:
        with closing(Projector(self._database.app_dsn, page_events=size)) as projector:
            projector.step()

    def rebuild(self, projection: Projection) -> None:
        rebuild(self._database.owner_dsn, self._database.app_dsn, projection)

    def rows(self, projection: Projection) -> Mapping[str, Any]:
        keys = [key for (key,) in self._reader.execute(f"select key from {projection.name}")]
        return load_rows(self._reader, projection.name, projection.row_type, keys)

    def checkpoint(self, projection: Projection) -> int:
        row = self._reader.execute(
            "select position from checkpoints where projection = %s", (projection.name,)
        ).fetchone()
        return row[0] if row else 0

    def close(self) -> None:
        log = check_log(self._opened[-1])
        self._reader.close()
        for store in self._opened:
            store.close()
        catch_up(self._database.app_dsn)
        live = texts(self._database)
        assert live == texts_of_pure_fold(self._database, log)
        for projection in PROJECTIONS:
            self.rebuild(projection)
        assert texts(self._database) == live


def test_the_write_path_keeps_its_promises_in_memory() -> None:
    class InMemory(WritePath):
        @staticmethod
        def make_backend() -> Backend:
            return MemoryBackend(MemoryStore())

    run_state_machine_as_test(InMemory, settings=settings(max_examples=100, stateful_step_count=30))


@pytest.mark.postgres
def test_the_write_path_keeps_its_promises_in_postgres(shared: Database) -> None:
    class InPostgres(WritePath):
        @staticmethod
        def make_backend() -> Backend:
            return PostgresBackend(shared)

    run_state_machine_as_test(
        InPostgres, settings=settings(max_examples=10, stateful_step_count=20, phases=PHASES)
    )
