"""Read models of a database as text, and the same folded without one, to compare them."""

import threading
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from typing import Any

import psycopg

from adapters.memory import MemoryStore
from adapters.postgres.log import PostgresLog
from adapters.postgres.rows import CheckpointMoved, save_rows
from commands.committer import Committer
from commands.request import Request
from commands.store import Store
from domain.log import Recorded
from projections import PROJECTIONS
from projections.projection import Projection
from tests.postgres_fixture import Database
from workers.projecting.folding import facts_of, fold_page
from workers.projecting.projector import Projector


def written(requests: Sequence[Request]) -> list[Recorded]:
    """Return the log that these commands make, one after the other."""
    store = MemoryStore()
    run(store, requests)
    return list(store.read_log(0, 1_000_000))


def run(store: Store, requests: Sequence[Request]) -> None:
    committer = Committer(store, clock=lambda: 1_700_000_000_000_000)
    for request in requests:
        committer.execute(request)
    committer.close()


def copy_log(database: Database, events: Sequence[Recorded]) -> None:
    """Store a log as it is, on top of nothing."""
    if not events:
        return
    store = PostgresLog(database.app_dsn)
    with store.append() as append:
        head = append.lock().head
        assert head.position == events[0].position - 1
        append.write_events(events, type(head)(events[-1].position, events[-1].seal))
        append.commit()
    store.close()


def texts(
    database: Database, projections: Sequence[Projection] = PROJECTIONS, suffix: str = ""
) -> dict[str, str]:
    """Return every read model's rows as Postgres prints them, sorted by key."""
    with psycopg.connect(database.owner_dsn) as owner:
        answers = {}
        for projection in projections:
            query = f"select json_agg(row_to_json(t) order by key)::text from {projection.name}"
            row = owner.execute(f"{query}{suffix} t".encode()).fetchone()
            assert row
            answers[projection.name] = row[0] or "[]"
        return answers


def fold_in_memory(events: Sequence[Recorded], projection: Projection) -> dict[str, Any]:
    rows: dict[str, Any] = {}

    def load(_projection: Projection, keys: Sequence[str]) -> Mapping[str, Any]:
        return {key: rows[key] for key in keys if rows.get(key) is not None}

    folding = fold_page(projection, facts_of(events), load, set())
    assert folding.parked == []
    return folding.rows


def texts_of_pure_fold(database: Database, events: Sequence[Recorded]) -> dict[str, str]:
    """Fold without a database, then let Postgres print the rows from a table beside."""
    suffix = "__pure"
    with psycopg.connect(database.owner_dsn) as owner:
        for projection in PROJECTIONS:
            table = projection.name + suffix
            owner.execute(f"drop table if exists {table}".encode())
            owner.execute(f"create table {table} (like {projection.name} including all)".encode())
            rows = fold_in_memory(events, projection)
            save_rows(owner, table, projection.row_type, rows)
    return texts(database, suffix=suffix)


def follow_log(database: Database, stopping: threading.Event) -> None:
    """Fold like the worker does: what a restart cures is cured by a restart."""
    while not stopping.is_set():
        with (
            suppress(psycopg.Error, CheckpointMoved),
            closing(Projector(database.app_dsn, page_events=7)) as folding,
        ):
            while folding.step().events or not stopping.wait(0.005):
                pass
