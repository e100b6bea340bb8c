"""The two login roles and the database that a new embedded server needs before migrations.

`aviary_owner` owns the database and may make roles: migrations run as it. `aviary_app` owns nothing
and inherits nothing: it acts by `set role` to what migrations granted it.
"""

import psycopg
from psycopg import sql

OWNER = "aviary_owner"
APP = "aviary_app"
DATABASE = "aviary"


def ensure_roles(superuser_dsn: str, passwords: dict[str, str]) -> None:
    """Make roles and database where absent and set the roles' passwords as the files have them."""
    with psycopg.connect(superuser_dsn, autocommit=True, connect_timeout=10) as connection:
        for role, attributes in (
            (OWNER, "login createrole nosuperuser connection limit -1"),
            (APP, "login noinherit nosuperuser nocreaterole nocreatedb"),
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


def create_database(connection: psycopg.Connection, name: str, template: str = "template1") -> None:
    connection.execute(
        sql.SQL("create database {} owner {} template {}").format(
            *(sql.Identifier(part) for part in (name, OWNER, template))
        )
    )
