"""Fixtures that every test folder may use, and how generated examples are chosen."""

from tests import seeds
from tests.kafka_broker import kafka, own_kafka
from tests.postgres_fixture import cluster, database
from tests.stores import migrated, opened, shared

__all__ = [
    "cluster",
    "database",
    "kafka",
    "migrated",
    "opened",
    "own_kafka",
    "seeds",
    "shared",
]
