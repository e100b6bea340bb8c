"""What a stranger reads from a real broker is as the documents say, read with them alone."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import jsonschema_rs
import pytest

from tests.kafka_broker import Kafka
from tests.postgres_fixture import Database
from tests.relay.stage import Stage
from tests.vocabularies import REPOSITORY

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]

EVENTS = REPOSITORY / "docs/events"


@pytest.fixture
def stage(kafka: Kafka, tmp_path: Path, migrated: Callable[[], Database]) -> Iterator[Stage]:
    made = Stage(tmp_path, migrated(), kafka.bootstrap)
    try:
        yield made
    finally:
        made.close()


def test_every_record_is_as_documented(stage: Stage) -> None:
    document = json.loads((EVENTS / "asyncapi.json").read_bytes())
    tags_of = {
        channel["address"].format(prefix=stage.prefix): set(channel["messages"])
        for channel in document["channels"].values()
    }
    head = stage.filler.append(60)
    stage.relay().start()
    stage.await_position(head)
    records = [record for found in stage.published().values() for record in found]
    assert len(records) == head
    for record in records:
        headers = {name: value.decode() for name, value in record.headers}
        jsonschema_rs.validate(document["components"]["schemas"]["headers"], headers)
        metadata = json.loads((EVENTS / "metadata.json").read_bytes())
        jsonschema_rs.validate(metadata, json.loads(headers["aviary_metadata"]))
        tag = headers["ce_type"]
        assert tag in tags_of[record.topic]
        schema = json.loads((EVENTS / f"schemas/{tag}.json").read_bytes())
        jsonschema_rs.validate(schema, json.loads(record.value or b""))
