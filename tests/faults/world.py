"""One scenario's world: a fresh database, a venue, workers, and a door to the log.

Everything but the test itself is a process of its own, so that it can be killed.
"""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import psycopg
from psycopg.conninfo import conninfo_to_dict

from adapters.postgres.embedded import EmbeddedPostgres
from tests.faults.clients import Client, HttpClient, WriterClient
from tests.faults.intents import PAPER, Ground
from tests.faults.ledgers import Ledger, read_ledger
from tests.faults.processes import Process, until
from tests.ports import free_port
from tests.postgres_fixture import Database, fresh_database
from tests.seeding import seeded
from tests.venues.paper_process import PaperProcess

Door = Literal["api", "writer"]
SEND_WINDOW_SECONDS = 1.0
LEASE_SECONDS = 2.0
RECONCILE_SECONDS = 0.5


def seeded_database(cluster: EmbeddedPostgres) -> Database:
    """A migrated database with the first events, that others may be copied from."""
    return seeded(fresh_database(cluster))


class World:
    ground: Ground = PAPER

    def __init__(self, folder: Path, database: Database) -> None:
        self.folder = folder
        self.database = database
        self.venue_port = free_port()
        self.venue = PaperProcess(folder, "--port", str(self.venue_port))
        self.door_port = free_port()
        self.processes: list[Process] = []
        self.environment = {
            "DATABASE_URL": database.app_dsn,
            "AVIARY_MIGRATE_DATABASE_URL": database.owner_dsn,
            "AVIARY_PAPER_URL": f"http://127.0.0.1:{self.venue_port}",
            "AVIARY_DATA_DIR": str(folder / "data"),
            "AVIARY_SEND_WINDOW_SECONDS": str(SEND_WINDOW_SECONDS),
            "AVIARY_LEASE_SECONDS": str(LEASE_SECONDS),
            "AVIARY_RECONCILE_SECONDS": str(RECONCILE_SECONDS),
            "AVIARY_LOG_LEVEL": "info",
        }

    def ledger(self) -> Ledger:
        """What the venue says, whether it runs or not."""
        return read_ledger(self.folder / "venue.sqlite")

    def worker(self, name: str = "all", alias: str | None = None, **settings: str) -> Process:
        """A worker process, not started yet."""
        arguments = ["aviary", "worker", name]
        return self._process(alias or f"worker-{name}", arguments, settings)

    def door(self, kind: Door, port: int | None = None, **settings: str) -> Process:
        """The process that takes commands, not started yet."""
        port = port or self.door_port
        if kind == "api":
            arguments = ["aviary", "api", "--port", str(port)]
        else:
            arguments = ["tests.faults.writer", str(port)]
        return self._process(f"{kind}-{port}", arguments, settings)

    def client(self, kind: Door, port: int | None = None) -> Client:
        port = port or self.door_port
        if kind == "api":
            return HttpClient(port, ground=self.ground)
        return WriterClient(port)

    def _process(self, name: str, arguments: list[str], settings: dict[str, str]) -> Process:
        process = Process(name, arguments, self.environment | settings, self.folder)
        self.processes.append(process)
        return process

    def stop_workers(self) -> None:
        """End every worker politely, and insist that each ends well."""
        for process in self.processes:
            if process.name.startswith("worker") and process.poll() is None:
                # One that was only just started still dies of the signal instead of taking it.
                until(process.takes_sigterm, f"{process.name} has started")
                code = process.stop()
                assert code == 0, f"{process.name} ended with {code}, see {process.log}"

    def close(self) -> None:
        for process in self.processes:
            process.kill()
        self.venue.kill()


@contextlib.contextmanager
def world(folder: Path, database: Database) -> Iterator[World]:
    """A running venue and nothing else; whatever the scenario starts ends with it."""
    made = World(folder, database)
    made.venue.start()
    try:
        yield made
    finally:
        made.close()


@contextlib.contextmanager
def fresh_world(folder: Path, make: Callable[..., Database], template: Database) -> Iterator[World]:
    with world(folder, make(template=template)) as made:
        yield made


def over_tcp(dsn: str, port: int) -> str:
    """The same login through 127.0.0.1:`port`, in plain text so that a proxy can read along."""
    parts = conninfo_to_dict(dsn)
    login = f"{parts['user']}:{parts['password']}"
    return (
        f"postgresql://{login}@127.0.0.1:{port}/{parts['dbname']}"
        "?sslmode=disable&gssencmode=disable"
    )


def answers(dsn: str) -> bool:
    """Whether Postgres takes a connection now."""
    try:
        psycopg.connect(dsn, connect_timeout=3).close()
    except psycopg.OperationalError:
        return False
    return True
