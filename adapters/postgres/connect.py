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
# Every statement of ours walks an index. A plan made while a table was still empty would scan it
# whole for ever after, until the statistics are next collected.
_PLANS = "-c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off"
# A session that waits for the rest of a pipeline is not idle, and has its lock: only the limit for
# the whole transaction ends it.
_WRITING = (
    "-c idle_in_transaction_session_timeout=2000 -c lock_timeout=3000 "
    f"-c transaction_timeout=4000 {_PLANS}"
)
WRITER_OPTIONS = f"-c role=aviary_worker {_WRITING}"
API_WRITER_OPTIONS = f"-c role=aviary_writer {_WRITING}"
READER_OPTIONS = f"-c role=aviary_reader -c statement_timeout=10000 {_PLANS}"
VAULT_OPTIONS = f"-c role=aviary_vault -c statement_timeout=10000 {_WRITING}"
PROJECTOR_OPTIONS = (
    "-c role=aviary_worker -c idle_in_transaction_session_timeout=10000 -c lock_timeout=3000 "
    f"{_PLANS}"
)

RECONNECT_SECONDS = 1.0
"""Of pools: one that tries for longer pauses ever longer between its attempts, and its clients miss
the store's return. One that has given up tries again for the next client.
"""


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
