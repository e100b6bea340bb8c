"""A stage on the session's broker, or on a broker that the test may break."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.kafka_broker import Kafka
from tests.postgres_fixture import Database
from tests.relay.stage import Stage


@pytest.fixture
def make_stage(tmp_path: Path, migrated: Callable[[], Database]) -> Iterator[Callable[..., Stage]]:
    """Return the factory: call it with a broker's address, and settings if need be."""
    made: list[Stage] = []

    def make(bootstrap: str, **settings: str) -> Stage:
        made.append(Stage(tmp_path, migrated(), bootstrap, **settings))
        return made[-1]

    try:
        yield make
    finally:
        for stage in made:
            stage.close()


@pytest.fixture
def stage(kafka: Kafka, make_stage: Callable[..., Stage]) -> Stage:
    return make_stage(kafka.bootstrap)
