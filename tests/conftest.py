"""Fixtures that every test folder may use, and how generated examples are chosen."""

from tests import seeds
from tests.postgres_fixture import cluster, database
from tests.stores import migrated, opened, shared

__all__ = ["cluster", "database", "migrated", "opened", "seeds", "shared"]
