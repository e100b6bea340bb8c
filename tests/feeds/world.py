"""A log, its topics, a relay in a thread, and read models that follow the one or the other."""

import contextlib
import itertools
import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import psycopg

from adapters.kafka.consumer import GroupLimits
from adapters.kafka.topics import partition_of
from adapters.postgres.connect import PROJECTOR_OPTIONS, connect
from adapters.postgres.feeds import Key, Standing, load_standings
from adapters.postgres.log import PostgresLog
from adapters.postgres.rows import save_rows
from adapters.settings import Settings, load
from commands.request import Request
from domain.log import Recorded
from projections import PROJECTIONS, orders, trades
from projections.projection import Projection
from tests.faults.processes import Process, until
from tests.folds import fold_in_memory, run, texts
from tests.messages import fill_of
from tests.postgres_fixture import Database
from tests.stores import cancelling, opening, placing, request_for
from workers.feeding.member import FeedLimits, Member
from workers.feeding.moves import move_to_kafka
from workers.projecting.projector import Projector
from workers.relaying.relay import RelayLimits, relay
from workers.running.pulse import Pulse

KEYED: tuple[Projection, ...] = (orders.PROJECTION, trades.PROJECTION)
PARTITIONS = 3
_numbers = itertools.count(1)
_log = logging.getLogger(__name__)


def history(names: Sequence[str]) -> list[Request]:
    """Orders that are placed, filled twice (one fill told twice) and cancelled, interleaved."""
    requests = [placing(name) for name in names]
    for trade in ("t1", "t1", "t2"):
        requests += [
            request_for(f"order-{name}", fill_of(trade, "0.2"), f"{name} {trade} {number}")
            for number, name in enumerate(names)
        ]
    return requests + [cancelling(name) for name in names[::3]]


def busy(count: int, label: str = "av") -> list[str]:
    return [f"{label}{number}" for number in range(count)]


class World:
    def __init__(self, folder: Path, database: Database, bootstrap: str) -> None:
        self.folder = folder
        self.database = database
        self.environment = {
            "KAFKA_BOOTSTRAP_SERVERS": bootstrap,
            "AVIARY_KAFKA_TOPIC_PREFIX": f"feeds-{database.name}-{next(_numbers)}",
            "AVIARY_KAFKA_PARTITIONS": str(PARTITIONS),
            "DATABASE_URL": database.app_dsn,
            "AVIARY_DATA_DIR": str(folder / "data"),
        }
        self.processes: list[Process] = []
        self._stopping = threading.Event()
        self._relaying: threading.Thread | None = None

    @property
    def settings(self) -> Settings:
        return load(self.environment, None)

    @property
    def topic(self) -> str:
        return f"{self.settings.kafka_topic_prefix}.orders"

    def write(self, requests: Sequence[Request]) -> None:
        with closing(PostgresLog(self.database.app_dsn)) as store:
            run(store, requests)

    def log(self) -> list[Recorded]:
        with closing(PostgresLog(self.database.app_dsn)) as store:
            return list(store.read_log(0, 1_000_000))

    def start_relay(self) -> None:
        self._stopping.clear()
        self._relaying = threading.Thread(target=self._relay)
        self._relaying.start()

    def _relay(self) -> None:
        """As its runner does: whatever ends it, it starts again."""
        limits = RelayLimits(page_events=50)
        while not self._stopping.is_set():
            try:
                relay(self.settings, self.database.app_dsn, Pulse("relay"), self._stopping, limits)
            except Exception:  # noqa: BLE001 - logged, and started again
                _log.exception("The relay failed and starts again")
                self._stopping.wait(0.2)

    def stop_relay(self) -> None:
        self._stopping.set()
        if self._relaying is not None:
            self._relaying.join()
            self._relaying = None

    def await_published(self) -> int:
        """Start the relay if need be; answer the head once it has published that."""
        head = len(self.log())
        if self._relaying is None:
            self.start_relay()
        until(lambda: self.value("select max(position) from relays") == head, f"relay at {head}")
        return head

    def value(self, query: str) -> object:
        with psycopg.connect(self.database.owner_dsn) as owner:
            row = owner.execute(query.encode()).fetchone()
            return row[0] if row else None

    def count(self, query: str) -> int:
        return int(str(self.value(query)))

    def change(self, statement: str) -> None:
        with psycopg.connect(self.database.owner_dsn) as owner:
            owner.execute(statement.encode())

    def publish_and_follow(self, projections: Sequence[Projection] = KEYED) -> None:
        """Move these read models to Kafka where they stand, at the head of the log."""
        self.await_published()
        with closing(Projector(self.database.app_dsn)) as folding:
            while folding.step().events:
                pass
        for projection in projections:
            move_to_kafka(self.settings, self.database.app_dsn, projection.name)

    @contextlib.contextmanager
    def member(
        self, records: int = 1000, projections: Sequence[Projection] = PROJECTIONS
    ) -> Iterator[Member]:
        limits = FeedLimits(GroupLimits(records, 6000, 500), retry_seconds=0.2)
        with (
            connect(self.database.app_dsn, PROJECTOR_OPTIONS, autocommit=True) as connection,
            closing(Member(self.settings, connection, projections, limits)) as member,
        ):
            yield member

    def process(self) -> Process:
        """A kafka-projector's process with a short session, not started yet."""
        name = f"member-{len(self.processes)}"
        process = Process(name, ["tests.feeds.quick"], self.environment, self.folder)
        self.processes.append(process)
        return process

    def standings(self) -> dict[Key, tuple[int, int]]:
        with psycopg.connect(self.database.owner_dsn) as owner:
            found = load_standings(owner, [projection.name for projection in KEYED])
            return {key: (at.next_offset, at.position) for key, at in found.items()}

    def positions(self) -> dict[str, int]:
        with psycopg.connect(self.database.owner_dsn) as owner:
            found = owner.execute("select projection, position from read_positions")
            return dict(found.fetchall())

    def await_folded(self, seconds: float = 120.0) -> int:
        head = len(self.log())
        until(
            lambda: all(self.positions()[p.name] >= head for p in KEYED),
            f"read models at {head}",
            seconds,
        )
        return head

    def check_rows(self) -> None:
        """Assert that rows are the fold of what the feeds say that they have folded."""
        log = self.log()
        with psycopg.connect(self.database.owner_dsn) as owner:
            owner.execute("set transaction isolation level repeatable read")
            standings = load_standings(owner, [projection.name for projection in KEYED])
            found = owner.execute("select projection, position from checkpoints").fetchall()
            positions: Mapping[str, int] = dict(found)
            for projection in KEYED:
                seen = [
                    event
                    for event in log
                    if event.position <= max(self._floor(standings, projection.name, event), 0)
                    or event.position <= positions.get(projection.name, 0)
                ]
                table = f"{projection.name}__pure"
                owner.execute(f"drop table if exists {table}".encode())
                owner.execute(
                    f"create table {table} (like {projection.name} including all)".encode()
                )
                rows = fold_in_memory(seen, projection)
                save_rows(owner, table, projection.row_type, rows)
                differing = owner.execute(
                    f"""select key from {projection.name} full join {table} using (key)
                    where {projection.name} is distinct from {table}""".encode()
                ).fetchall()
                assert differing == []
            owner.rollback()

    def _floor(self, standings: Mapping[Key, Standing], name: str, event: Recorded) -> int:
        if not event.stream.startswith("order-"):
            return 0
        key = (name, self.topic, partition_of(event.stream.encode(), PARTITIONS))
        standing = standings.get(key)
        return standing.position if standing is not None else 0

    def texts(self) -> dict[str, str]:
        return texts(self.database, KEYED)

    def close(self) -> None:
        for process in self.processes:
            process.kill()
        self.stop_relay()


def started(world: World) -> World:
    """Open the account on which orders are placed."""
    world.write(opening())
    return world
