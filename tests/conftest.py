"""Fixtures that every test folder may use."""

from tests.postgres_fixture import cluster, database

__all__ = ["cluster", "database"]
