"""A database as the first start leaves it."""

from adapters.postgres.log import PostgresLog
from commands.committer import Committer
from tests.postgres_fixture import Database
from workers.running.database import Dsns, migrate_for
from workers.tools.seed import seed


def seeded(made: Database) -> Database:
    """The same, with all migrations and the first events."""
    migrate_for(Dsns(made.app_dsn, made.owner_dsn))
    store = PostgresLog(made.app_dsn)
    committer = Committer(store)
    seed(committer)
    committer.close()
    store.close()
    return made
