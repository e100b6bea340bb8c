"""A database as the first start leaves it."""

from adapters.postgres.log import PostgresLog
from commands.committer import Committer
from tests.postgres_fixture import Database
from workers.running.database import Dsns, migrate_for
from workers.tools.seed import seed


def begin(dsns: Dsns) -> None:
    """All migrations and the first events."""
    migrate_for(dsns)
    store = PostgresLog(dsns.app)
    committer = Committer(store)
    seed(committer)
    committer.close()
    store.close()


def seeded(made: Database) -> Database:
    """The same, begun."""
    begin(Dsns(made.app_dsn, made.owner_dsn))
    return made
