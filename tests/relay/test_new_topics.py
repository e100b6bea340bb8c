"""A version that knows more aggregates meets the cluster on which an older one published."""

import threading
from contextlib import closing

import pytest

from adapters.kafka.topics import Topics
from adapters.postgres.log import PostgresLog
from commands import catalogue
from commands.codec import LogIsNewer
from domain.limits import SetLimits
from tests.folds import run
from tests.relay.quick import PATIENT
from tests.relay.stage import PARTITIONS, Stage, check
from tests.stores import opening, placing, request_for
from workers.relaying.relay import relay
from workers.running.pulse import Pulse

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]
OLD = ("account", "actor", "order", "reconciliation")


def test_topics_of_new_aggregates_join_those_that_there_are(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(PostgresLog(stage.database.app_dsn)) as store:
        limited = request_for("limits-main", SetLimits("main", None, 9), "limits")
        run(store, [*opening(), placing("av1"), placing("av2"), limited])
        with monkeypatch.context() as older:
            older.setattr(
                catalogue, "AGGREGATES", {name: catalogue.AGGREGATES[name] for name in OLD}
            )
            with pytest.raises(LogIsNewer):  # The fifth event has no topic there.
                relay(
                    stage.settings,
                    stage.database.app_dsn,
                    Pulse("relay"),
                    threading.Event(),
                    PATIENT,
                )
        assert stage.position() == 4
        run(store, [placing("av3")])
        stage.environment["AVIARY_KAFKA_PARTITIONS"] = str(PARTITIONS + 2)
        stage.relay().start()
        stage.await_position(store.head().position)
    assert check(stage) == 0
    with Topics(stage.settings) as topics:
        counts = topics.partition_counts(catalogue.topics(stage.prefix))
    assert counts.pop(f"{stage.prefix}.orders") == PARTITIONS
    assert counts.pop(f"{stage.prefix}.limits") == PARTITIONS + 2
