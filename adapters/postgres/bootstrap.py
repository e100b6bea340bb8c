"""The login roles and the databases that a new embedded server needs before migrations.

`aviary_owner` owns the database and may make roles: migrations run as it. `aviary_app` owns nothing
and inherits nothing: it acts by `set role` to what migrations granted it. `aviary_lake` owns the
lake's catalogue, `aviary_lake_reader` reads it; neither may connect to another database.
"""

import psycopg
from psycopg import sql

OWNER = "aviary_owner"
APP = "aviary_app"
DATABASE = "aviary"
LAKE_OWNER = "aviary_lake"
LAKE_READER = "aviary_lake_reader"
LAKE = "lake"
_ATTRIBUTES = "login noinherit nosuperuser nocreaterole nocreatedb"
_CONNECTIONS_MAX = 40
"""Of all of the lake's sessions: the log needs the others."""
_READERS_MAX = 30
"""Of them: the lake's worker needs some."""


def ensure_roles(superuser_dsn: str, passwords: dict[str, str]) -> None:
    """Make roles and databases where absent and set the roles' passwords as the files have them."""
    with psycopg.connect(superuser_dsn, autocommit=True, connect_timeout=10) as connection:
        for role, attributes in (
            (OWNER, "login createrole nosuperuser connection limit -1"),
            (APP, _ATTRIBUTES),
            (LAKE_OWNER, _ATTRIBUTES),
            (LAKE_READER, f"{_ATTRIBUTES} connection limit {_READERS_MAX}"),
        ):
            known = connection.execute("select from pg_roles where rolname = %s", (role,)).rowcount
            # Hashed on this side, so that no password can reach the server's log.
            hashed = connection.pgconn.encrypt_password(
                passwords[role].encode(), role.encode(), b"scram-sha-256"
            ).decode()
            connection.execute(
                sql.SQL("{verb} role {role} {attributes} password {hashed}").format(
                    verb=sql.SQL("alter" if known else "create"),
                    role=sql.Identifier(role),
                    attributes=sql.SQL(attributes),
                    hashed=sql.Literal(hashed),
                )
            )
        found = connection.execute("select from pg_database where datname = %s", (DATABASE,))
        if not found.rowcount:
            create_database(connection, DATABASE)
        found = connection.execute("select from pg_database where datname = %s", (LAKE,))
        if not found.rowcount:
            create_lake(connection, LAKE)
        let_connect(connection, DATABASE, APP)
        let_connect(connection, LAKE, LAKE_READER)
        # They are there for the superuser, whom no such right concerns.
        for name in ("postgres", "template1"):
            connection.execute(
                sql.SQL("revoke all on database {} from public").format(sql.Identifier(name))
            )
        # Its rights forbid it already; this holds where one was granted by mistake.
        connection.execute(
            sql.SQL("alter role {} set default_transaction_read_only = on").format(
                sql.Identifier(LAKE_READER)
            )
        )


def create_database(
    connection: psycopg.Connection, name: str, template: str = "template1", owner: str = OWNER
) -> None:
    connection.execute(
        sql.SQL("create database {} owner {} template {}").format(
            *(sql.Identifier(part) for part in (name, owner, template))
        )
    )


def create_lake(connection: psycopg.Connection, name: str) -> None:
    create_database(connection, name, owner=LAKE_OWNER)
    let_connect(connection, name, LAKE_READER)
    connection.execute(
        sql.SQL("alter database {} connection limit {}").format(
            sql.Identifier(name), sql.Literal(_CONNECTIONS_MAX)
        )
    )


def let_connect(connection: psycopg.Connection, database: str, role: str) -> None:
    """Only this role and the owner, where otherwise every login may, and make temporary tables."""
    for text in (
        "revoke all on database {database} from public",
        "grant connect on database {database} to {role}",
    ):
        connection.execute(
            sql.SQL(text).format(database=sql.Identifier(database), role=sql.Identifier(role))
        )
