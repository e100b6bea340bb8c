"""All parts apart, every one of them killed in a burst that repeats its requests at either API."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from adapters.settings import load
from commands import codec
from domain.order_messages import OrderPlaced
from projections import PROJECTIONS
from tests.faults.burst import run_burst
from tests.faults.clients import Insistent
from tests.faults.crash_points import SEED
from tests.faults.judge import judge, read_log, settle
from tests.faults.processes import Process, until
from tests.kafka_broker import Kafka
from tests.postgres_fixture import Database
from tests.split.members import WORKERS, BothDoors, Split
from workers.feeding.moves import move_to_kafka, move_to_log

pytestmark = [pytest.mark.faults, pytest.mark.postgres, pytest.mark.kafka]

FED = tuple(projection.name for projection in PROJECTIONS if projection.is_keyed_by_stream)
ORDERS_BETWEEN = 6


@pytest.fixture
def split(
    tmp_path: Path, template: Database, database: Callable[..., Database], kafka: Kafka
) -> Iterator[Split]:
    made = Split(tmp_path, database(template=template), kafka.bootstrap)
    made.venue.start()
    try:
        yield made
    finally:
        made.close()


class Havoc:
    """Kills the venue and every member once, in an order of the seed's choice, and revives it."""

    def __init__(self, split: Split, members: list[Process]) -> None:
        self._split = split
        self._victims: list[Process | None] = [*members, None]  # None is the venue
        random.Random(SEED).shuffle(self._victims)  # noqa: S311 - a script, not a secret
        self._next_at = ORDERS_BETWEEN

    def tend(self, sender: Insistent) -> None:
        if self.is_over() or len(sender.placed) < self._next_at:
            return
        self._next_at += ORDERS_BETWEEN
        victim = self._victims.pop()
        if victim is None:
            self._split.venue.kill()
            self._split.venue.start()
        else:
            victim.kill()
            victim.revive()

    def is_over(self) -> bool:
        return not self._victims


def test_a_split_whose_members_are_killed_leaves_one_truth(split: Split) -> None:
    members = split.start(*WORKERS, "projector", "kafka-projector", "kafka-projector")
    split.until_ready()
    settings = load(split.environment, env_file=None)
    for name in FED:
        move_to_kafka(settings, split.database.app_dsn, name)
    havoc = Havoc(split, members)
    sender = run_burst(
        split, BothDoors(split.clients), SEED, tend=havoc.tend, is_over=havoc.is_over
    )
    assert sender.retries > 0
    assert sum(len(member.deaths) for member in members) == len(members)
    settle(split)
    split.until_ready()
    head = int(str(split.value("select position from log_head")))
    until(lambda: split.least_read() >= head, "the read models hold it", 120)
    until(lambda: split.relayed() >= head, "it is published", 120)
    assert {name for name, feed in split.feeds() if feed == "kafka"} == set(FED)
    for name in FED:
        move_to_log(split.database.app_dsn, name)
    judge(split, sender)
    log = read_log(split.database.app_dsn)
    placed = [e for e in map(codec.decode_recorded, log) if isinstance(e, OrderPlaced)]
    assert len(placed) == len(sender.placed) == len({event.client_order_id for event in placed})
