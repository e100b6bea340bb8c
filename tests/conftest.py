"""Fixtures that every test folder may use, and how generated examples are chosen."""

import os
import sys

from tests import seeds
from tests.doubles.binance_process import binance_double
from tests.kafka_broker import kafka, own_kafka
from tests.lakes import lake, make_lake
from tests.postgres_fixture import cluster, database
from tests.stores import migrated, opened, shared

__all__ = [
    "binance_double",
    "cluster",
    "database",
    "kafka",
    "lake",
    "make_lake",
    "migrated",
    "opened",
    "own_kafka",
    "seeds",
    "shared",
]

# Hundreds of processes are started here: none is to compile the program again.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
