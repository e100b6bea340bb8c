"""A world on the session's broker, or on a broker that the test may break."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.feeds.world import World, started
from tests.kafka_broker import Kafka
from tests.postgres_fixture import Database


@pytest.fixture
def make_world(
    tmp_path: Path, migrated: Callable[[], Database]
) -> Iterator[Callable[[str], World]]:
    """Return the factory: call it with a broker's address."""
    made: list[World] = []

    def make(bootstrap: str) -> World:
        made.append(World(tmp_path, migrated(), bootstrap))
        return started(made[-1])

    try:
        yield make
    finally:
        for world in made:
            world.close()


@pytest.fixture
def world(kafka: Kafka, make_world: Callable[[str], World]) -> World:
    return make_world(kafka.bootstrap)
