"""One scenario's stage: a log of its own, topics of its own, and relays in their own processes."""

import contextlib
import itertools
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
from kafka import KafkaAdminClient
from msgspec import Struct

from adapters.kafka.records import Record, source_of, to_record
from adapters.kafka.topics import Found, Topics
from adapters.postgres.relays import Reached
from adapters.settings import Settings, load
from commands import catalogue
from tests.faults.processes import Process, until
from tests.postgres_fixture import Database
from tests.relay.filling import Filler

PARTITIONS = 3
_numbers = itertools.count(1)


class Row(Struct, frozen=True):
    """What /ready is told of a relay's process."""

    process: str
    state: str
    detail: dict[str, int]


class Stage:
    def __init__(self, folder: Path, database: Database, bootstrap: str, **settings: str) -> None:
        self.folder = folder
        self.database = database
        self.bootstrap = bootstrap
        self.prefix = f"{folder.name}-{next(_numbers)}"[-60:].lstrip("-_.")
        self.environment = {
            "KAFKA_BOOTSTRAP_SERVERS": bootstrap,
            "AVIARY_KAFKA_TOPIC_PREFIX": self.prefix,
            "AVIARY_KAFKA_PARTITIONS": str(PARTITIONS),
            "DATABASE_URL": database.app_dsn,
            "AVIARY_DATA_DIR": str(folder / "data"),
        } | settings
        self.filler = Filler(database.app_dsn)
        self.processes: list[Process] = []

    @property
    def settings(self) -> Settings:
        return load(self.environment, None)

    @property
    def orders(self) -> str:
        return f"{self.prefix}.orders"

    def relay(self, *, quick: bool = False, patient: bool = False) -> Process:
        """A relay's process, not started yet; see `tests/relay/quick.py` for the quick ones."""
        name = f"relay-{len(self.processes)}"
        program = ["tests.relay.quick"] if quick or patient else ["aviary", "worker", "relay"]
        program += ["patient"] * patient
        process = Process(name, program, self.environment, self.folder)
        self.processes.append(process)
        return process

    def position(self) -> int:
        """How far the relay says it is."""
        return int(self._value("select coalesce(max(position), 0) from relays"))

    def await_position(self, position: int, seconds: float = 120.0) -> None:
        until(lambda: self.position() >= position, f"the relay at {position}", seconds)

    def rows(self) -> list[Row]:
        with psycopg.connect(self.database.owner_dsn) as owner:
            found = owner.execute(
                "select process, state, detail from workers where name = 'relay' order by process"
            )
            return [Row(*row) for row in found]

    def states(self) -> list[str]:
        return [row.state for row in self.rows()]

    def failures(self) -> int:
        """How often a relay's run has ended in an error."""
        return max((row.detail.get("relay_failures", 0) for row in self.rows()), default=0)

    def await_state(self, beginning: str, saying: str = "", seconds: float = 60.0) -> str:
        """The state of the relay once it begins so and says so."""
        found: list[str] = []

        def has_come() -> bool:
            found[:] = [s for s in self.states() if s.startswith(beginning) and saying in s]
            return bool(found)

        try:
            until(has_come, f"a relay that is {beginning} {saying}", seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}, but {self.states()}") from None
        return found[0]

    def expected(self) -> list[Record]:
        """The log as records, in its own order."""
        log = self.filler.log()
        source = source_of(log[0].seal)
        return [to_record(event, catalogue.topic_of(event, self.prefix), source) for event in log]

    def published(self) -> dict[tuple[str, int], list[Found]]:
        """Every record of every partition, as it stands now."""
        with Topics(self.settings) as topics:
            counts = topics.partition_counts(catalogue.topics(self.prefix))
            places = [(name, number) for name, count in counts.items() for number in range(count)]
            ends = topics.ends(places)
            found: dict[tuple[str, int], list[Found]] = defaultdict(list)
            for records in topics.read({place: (0, end) for place, end in ends.items() if end}):
                for record in records:
                    found[record.topic, record.partition].append(record)
        return found

    def _value(self, query: str) -> Any:
        with psycopg.connect(self.database.owner_dsn) as owner:
            row = owner.execute(query.encode()).fetchone()
        assert row is not None
        return row[0]

    def reached(self) -> dict[tuple[str, int], Reached]:
        with psycopg.connect(self.database.owner_dsn) as owner:
            found = owner.execute(
                "select topic, partition, next_offset, position from relay_partitions"
            )
            return {(topic, partition): Reached(*rest) for topic, partition, *rest in found}

    @contextlib.contextmanager
    def admin(self) -> Iterator[Any]:
        made = KafkaAdminClient(bootstrap_servers=self.bootstrap)
        try:
            yield made
        finally:
            made.close()

    def close(self) -> None:
        for process in self.processes:
            process.kill()
        self.filler.close()


def check(stage: Stage) -> int:
    """Assert what the relay promises; answers how many records were sent more than once.

    Each partition's first occurrences are the log's events of that partition, in the log's order
    and byte for byte; what else stands there repeats one of them.
    """
    expected: dict[str, list[Record]] = defaultdict(list)
    for record in stage.expected():
        expected[record.topic].append(record)
    repeated = 0
    arrived: dict[str, set[int]] = defaultdict(set)
    for (topic, _), records in stage.published().items():
        by_position = {record.position: record for record in expected[topic]}
        highest = 0
        for found in records:
            position = int(dict(found.headers)["ce_position"])
            wanted = by_position[position]
            assert (found.value, list(found.headers)) == (wanted.value, wanted.headers)
            if position in arrived[topic]:
                repeated += 1
                continue
            assert position > highest, f"{position} of {topic} stands behind {highest}"
            highest = position
            arrived[topic].add(position)
    for topic, wanted_records in expected.items():
        missing = {record.position for record in wanted_records} - arrived[topic]
        assert not missing, f"{len(missing)} are missing in {topic}, the first is {min(missing)}"
    return repeated
