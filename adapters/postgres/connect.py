"""Connections: which role they speak as and how long they may keep others waiting.

The login owns nothing; each connection takes the role that its work needs. Times are milliseconds
in the options, seconds elsewhere.
"""

from typing import Any

import psycopg
from psycopg.rows import tuple_row

_TCP: dict[str, Any] = {
    "connect_timeout": 3,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 2,
    "tcp_user_timeout": 5000,
}
WRITER_OPTIONS = (
    "-c role=aviary_worker -c idle_in_transaction_session_timeout=2000 -c lock_timeout=3000"
)
API_WRITER_OPTIONS = (
    "-c role=aviary_writer -c idle_in_transaction_session_timeout=2000 -c lock_timeout=3000"
)
READER_OPTIONS = "-c role=aviary_reader -c statement_timeout=10000"
PROJECTOR_OPTIONS = (
    "-c role=aviary_worker -c idle_in_transaction_session_timeout=10000 -c lock_timeout=3000"
)


def connect(dsn: str, options: str, *, autocommit: bool = False) -> psycopg.Connection[Any]:
    return psycopg.connect(
        dsn, options=options, autocommit=autocommit, row_factory=tuple_row, **_TCP
    )


async def connect_async(
    dsn: str, options: str, *, autocommit: bool = True
) -> psycopg.AsyncConnection[Any]:
    return await psycopg.AsyncConnection.connect(
        dsn, options=options, autocommit=autocommit, row_factory=tuple_row, **_TCP
    )
