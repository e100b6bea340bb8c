"""Reads: one statement on a pooled connection, tried again once when the connection was dead.

Every answer says the position that it is from, and waits for the one that the client asks for.
No read takes longer than 8 s. A statement that does is not cancelled, because a frozen server does
not answer that either: its socket is shut.
"""

import asyncio
import os
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, TypeVar

import psycopg
from litestar import Request
from psycopg_pool import PoolTimeout

from api.deps import Deps, Pool, deps_of
from api.errors import RETRY_SOON, Failure, invalid
from api.http.decoding import parameter
from api.openapi import Operation
from api.reply import Reply
from domain.log import StoreUnavailable

POOL_WAIT_SECONDS = 2.0
STATEMENT_SECONDS = 6.0
READ_SECONDS = POOL_WAIT_SECONDS + STATEMENT_SECONDS
MIN_POSITION_SECONDS = 5.0
POSITION_MAX = 2**63 - 1

Row = tuple[Any, ...]
Found = TypeVar("Found")
Ask = Callable[[str, Mapping[str, object]], Awaitable[list[Row]]]
"""A query and its parameters to its rows."""


class TooSlow(psycopg.OperationalError):
    """The store did not answer in time; the connection is given up."""


async def rows(pool: Pool, query: str, parameters: Mapping[str, object]) -> list[Row]:
    """Raise psycopg.Error when the store is away; never answer an empty list instead."""
    return await _twice(pool, partial(_rows, pool, query, parameters))


async def in_snapshot(pool: Pool, work: Callable[[Ask], Awaitable[Found]]) -> Found:
    """Several queries that see one state of the database; `work` may be begun again."""
    return await _twice(pool, partial(_in_snapshot, pool, work))


async def _twice(pool: Pool, work: Callable[[], Awaitable[Found]]) -> Found:
    try:
        return await work()
    except (PoolTimeout, TooSlow):
        raise
    except psycopg.OperationalError as error:
        if isinstance(error, psycopg.errors.QueryCanceled):
            raise
    again = asyncio.create_task(_again(pool, work))
    again.add_done_callback(lambda task: task.cancelled() or task.exception())
    # Not cancelled when it takes too long: psycopg would wait for the server's consent.
    await asyncio.wait({again}, timeout=READ_SECONDS)
    if not again.done():
        raise TooSlow(f"The store has not answered within {READ_SECONDS:.0f} s.")
    return again.result()


async def row(pool: Pool, query: str, parameters: Mapping[str, object]) -> Row | None:
    found = await rows(pool, query, parameters)
    return found[0] if found else None


async def in_thread(
    read: Callable[..., Found], *arguments: object, timeout_seconds: float = READ_SECONDS
) -> Found:
    """Call what blocks; raises StoreUnavailable when that takes too long."""
    try:
        async with asyncio.timeout(timeout_seconds):
            return await asyncio.to_thread(read, *arguments)
    except TimeoutError:
        text = f"The store has not answered within {timeout_seconds:.0f} s."
        raise StoreUnavailable(text) from None


async def _again(pool: Pool, work: Callable[[], Awaitable[Found]]) -> Found:
    await pool.check()  # After a restart every idle connection is dead.
    return await work()


async def _rows(pool: Pool, query: str, parameters: Mapping[str, object]) -> list[Row]:
    async with _connection(pool) as connection:
        cursor = await connection.execute(query.encode(), parameters)
        return await cursor.fetchall()


async def _in_snapshot(pool: Pool, work: Callable[[Ask], Awaitable[Found]]) -> Found:
    async with _connection(pool) as connection, connection.transaction():
        await connection.execute("set transaction isolation level repeatable read, read only")

        async def ask(query: str, parameters: Mapping[str, object]) -> list[Row]:
            cursor = await connection.execute(query.encode(), parameters)
            return await cursor.fetchall()

        return await work(ask)


@asynccontextmanager
async def _connection(pool: Pool) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
    """One for STATEMENT_SECONDS; what takes longer is cut off and raises TooSlow."""
    async with pool.connection(POOL_WAIT_SECONDS) as connection:
        is_cut: list[bool] = []
        timer = asyncio.get_running_loop().call_later(STATEMENT_SECONDS, _cut, connection, is_cut)
        try:
            yield connection
        except psycopg.OperationalError as error:
            if is_cut:
                text = f"The store has not answered within {STATEMENT_SECONDS:.0f} s."
                raise TooSlow(text) from error
            raise
        finally:
            timer.cancel()


def _cut(connection: psycopg.AsyncConnection[Any], is_cut: list[bool]) -> None:
    """End the socket under a waiting statement: that is then told that the server has gone."""
    is_cut.append(True)
    if not connection.closed:
        with socket.socket(fileno=os.dup(connection.fileno())) as wire:
            wire.shutdown(socket.SHUT_RDWR)


async def wait_for_position(request: Request[Any, Any, Any]) -> Deps:
    """Obey `?min_position=`; returns the deps because every read begins here."""
    deps = deps_of(request)
    if parameter(request, "as_of") is not None:
        operation: Operation | None = request.scope["route_handler"].opt.get("operation")
        if operation is None or not operation.is_as_of:
            message = "This route answers for the present only; leave as_of out"
            raise invalid("value_error", ("query", "as_of"), message)
    position = min_position(request)
    if position is not None:
        await reach(deps, position)
    return deps


def min_position(request: Request[Any, Any, Any]) -> int | None:
    """Raise Failure 422 for what is no position."""
    text = parameter(request, "min_position")
    if text is None:
        return None
    if not re.fullmatch(r"[0-9]{1,19}", text, re.ASCII) or int(text) > POSITION_MAX:
        expected = "Expected a position of the log: a whole number from 0"
        raise invalid("int_parsing", ("query", "min_position"), expected, text[:200])
    return int(text)


async def reach(deps: Deps, position: int) -> None:
    """Wait until every read model holds the position. Raises Failure 503."""
    if not await deps.hub.reached(position, MIN_POSITION_SECONDS):
        raise Failure(
            503,
            f"The read models have not reached position {position} within "
            f"{MIN_POSITION_SECONDS:.0f} s; they are at {deps.hub.position}.",
            "position_not_reached",
            {**RETRY_SOON, "Log-Position": str(deps.hub.position)},
        )


def answer(content: bytes, position: int) -> Reply:
    return Reply(content, headers={"Log-Position": str(position)})
