"""Reads: one statement on a pooled connection, tried again once when the connection was dead.

Every answer says the position that it is from, and waits for the one that the client asks for.
"""

import re
from collections.abc import Mapping
from typing import Any

import psycopg
from litestar import Request
from psycopg_pool import PoolTimeout

from api.deps import Deps, Pool, deps_of
from api.errors import RETRY_SOON, Failure, invalid
from api.reply import Reply

POOL_WAIT_SECONDS = 2.0
MIN_POSITION_SECONDS = 5.0
POSITION_MAX = 2**63 - 1

Row = tuple[Any, ...]


async def rows(pool: Pool, query: str, parameters: Mapping[str, object]) -> list[Row]:
    """Raise psycopg.Error when the store is away; never answer an empty list instead."""
    try:
        return await _rows(pool, query, parameters)
    except PoolTimeout:
        raise
    except psycopg.OperationalError as error:
        if isinstance(error, psycopg.errors.QueryCanceled):
            raise
        await pool.check()  # After a restart every idle connection is dead.
        return await _rows(pool, query, parameters)


async def row(pool: Pool, query: str, parameters: Mapping[str, object]) -> Row | None:
    found = await rows(pool, query, parameters)
    return found[0] if found else None


async def _rows(pool: Pool, query: str, parameters: Mapping[str, object]) -> list[Row]:
    async with pool.connection(POOL_WAIT_SECONDS) as connection:
        cursor = await connection.execute(query.encode(), parameters)
        return await cursor.fetchall()


async def wait_for_position(request: Request[Any, Any, Any]) -> Deps:
    """Obey `?min_position=`; returns the deps because every read begins here."""
    deps = deps_of(request)
    if b"min_position" not in request.scope["query_string"]:
        return deps
    text = request.query_params.get("min_position")
    if text is None:
        return deps
    if not re.fullmatch(r"[0-9]{1,19}", text, re.ASCII) or int(text) > POSITION_MAX:
        expected = "Expected a position of the log: a whole number from 0"
        raise invalid("int_parsing", ("query", "min_position"), expected, text[:200])
    if not await deps.hub.reached(int(text), MIN_POSITION_SECONDS):
        raise Failure(
            503,
            f"The read models have not reached position {text} within {MIN_POSITION_SECONDS:.0f} "
            f"s; they are at {deps.hub.position}.",
            "position_not_reached",
            {**RETRY_SOON, "Log-Position": str(deps.hub.position)},
        )
    return deps


def answer(content: bytes, position: int) -> Reply:
    return Reply(content, headers={"Log-Position": str(position)})
