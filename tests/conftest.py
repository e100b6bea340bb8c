"""Fixtures that every test folder may use, and how generated examples are chosen."""

from tests import seeds
from tests.doubles.binance_process import binance_double
from tests.kafka_broker import kafka, own_kafka
from tests.postgres_fixture import cluster, database
from tests.stores import migrated, opened, shared

__all__ = [
    "binance_double",
    "cluster",
    "database",
    "kafka",
    "migrated",
    "opened",
    "own_kafka",
    "seeds",
    "shared",
]
