"""What `aviary doctor` says of Kafka."""

from collections.abc import Callable

import pytest

from adapters.postgres.connect import READER_OPTIONS, connect
from tests.faults.processes import Process, until
from tests.ports import free_port
from tests.relay.stage import PARTITIONS, Stage
from workers.tools.kafka_health import Finding, examine_kafka

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]


def found(stage: Stage, head: int) -> list[Finding]:
    with connect(stage.database.app_dsn, READER_OPTIONS, autocommit=True) as reader:
        return examine_kafka(stage.settings, reader, head)


def test_kafka_is_off_when_no_servers_are_named(stage: Stage) -> None:
    stage.environment["KAFKA_BOOTSTRAP_SERVERS"] = ""
    assert found(stage, 0) == [("Kafka", "off", True)]


def test_before_the_relay_ran_topics_are_missing(stage: Stage) -> None:
    _, (_, partitions, has_all), (_, relay, is_well) = found(stage, 0)
    assert f"{stage.orders} missing" in partitions
    assert relay == "has published nothing yet"
    assert (has_all, is_well) == (False, False)


def test_the_lag_and_the_partitions_are_shown(stage: Stage) -> None:
    head = stage.filler.append(100)
    stage.relay().start()
    stage.await_position(head)
    (_, kafka, _), (_, partitions, has_all), (name, lag, is_well) = found(stage, head + 3)
    assert stage.bootstrap in kafka
    assert f"{stage.orders} {PARTITIONS}" in partitions
    assert name.endswith(f"/{stage.prefix}")
    assert lag == "3 events behind"
    assert has_all
    assert is_well
    _, _, (_, lag, is_well) = found(stage, head + 1_000_000)
    assert (lag, is_well) == ("1000000 events behind", False)


def test_kafka_away_is_said_with_its_address(make_stage: Callable[[str], Stage]) -> None:
    stage = make_stage(f"127.0.0.1:{free_port()}")
    doctor = Process("doctor", ["aviary", "doctor"], stage.environment, stage.folder).start()
    until(lambda: doctor.poll() is not None, "its end", 60)
    assert doctor.poll() == 1
    assert f"{stage.bootstrap} cannot be asked" in " ".join(doctor.log.read_text().split())
