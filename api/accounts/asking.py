"""Asks the workers what only they can ask a venue, since they alone open credentials.

One listening connection for all who wait. The same question from many is one row. What is waited
for is bounded: 3 s until a worker that holds the account takes it, then 12 s for the venue.
"""

import asyncio
import contextlib
import logging
import os
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg_pool import AsyncConnectionPool

from adapters.postgres import questions
from adapters.postgres.connect import API_WRITER_OPTIONS, RECONNECT_SECONDS, connect_async
from adapters.postgres.questions import UNREACHABLE, Answer, Question
from api.errors import RETRY_SOON, Failure

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_log = logging.getLogger(__name__)
TAKEN_SECONDS = 3.0
ANSWERED_SECONDS = 12.0
POLL_SECONDS = 0.5
ASKED_MAX = 500
_CONNECT_SECONDS = 2.0
_NO_WORKER = "no_worker"
_IN_TIME = f"no answer within {ANSWERED_SECONDS:.0f} s"
_PAUSE_MAX_SECONDS = 5.0
_CONNECTION = {
    "autocommit": True,
    "options": API_WRITER_OPTIONS,
    "connect_timeout": 3,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 2,
    "tcp_user_timeout": 5000,
}


class Asking:
    """`start` and `close` on one event loop."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._pool = AsyncConnectionPool[psycopg.AsyncConnection[Any]](
            dsn,
            min_size=0,
            max_size=2,
            kwargs=_CONNECTION,
            check=AsyncConnectionPool.check_connection,
            reconnect_timeout=RECONNECT_SECONDS,
            open=False,
        )
        self._listener: asyncio.Task[None] | None = None
        self._under_way: dict[Question, asyncio.Task[Answer]] = {}
        self._wakes: dict[str, asyncio.Event] = {}

    async def start(self) -> None:
        await self._pool.open(wait=False)
        self._listener = asyncio.create_task(self._listen(), name="asking")

    async def close(self) -> None:
        tasks = [task for task in (self._listener, *self._under_way.values()) if task]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_CONNECT_SECONDS)
        await self._pool.close()

    async def ask(self, question: Question) -> bytes:
        """The answer as JSON. Raise Failure 400 or 502 in the venue's words, 503 without any."""
        task = self._under_way.get(question)
        if task is None:
            if len(self._under_way) >= ASKED_MAX:
                text = f"{ASKED_MAX} questions wait for an answer already. Try again shortly."
                raise Failure(503, text, "overloaded", RETRY_SOON)
            task = asyncio.create_task(self._ask(question))
            self._under_way[question] = task
            task.add_done_callback(lambda done: self._done(question, done))
        # Others may wait for it too: the end of one request must not be the end of the question.
        found = await asyncio.shield(task)
        if found.text is not None:
            return found.text.encode()
        raise _failure(question, found)

    def _done(self, question: Question, task: "asyncio.Task[Answer]") -> None:
        del self._under_way[question]
        if not task.cancelled():
            task.exception()  # Those who waited have it; nobody may be left.

    async def _ask(self, question: Question) -> Answer:
        name = os.urandom(16).hex()
        wake = self._wakes[name] = asyncio.Event()
        try:
            async with self._connection() as connection:
                await questions.ask(connection, name, question)
            return await self._answer(name, wake)
        finally:
            del self._wakes[name]

    async def _answer(self, name: str, wake: asyncio.Event) -> Answer:
        started_at = time.monotonic()
        is_taken = False
        while True:
            with contextlib.suppress(TimeoutError):  # A lost notification costs half a second.
                async with asyncio.timeout(POLL_SECONDS):
                    await wake.wait()
            wake.clear()
            waited_seconds = time.monotonic() - started_at
            async with self._connection() as connection:
                found = await questions.read(connection, name)
                if found is not None:
                    return found
                is_taken = is_taken or await questions.is_taken(connection, name)
                limit_seconds = ANSWERED_SECONDS if is_taken else TAKEN_SECONDS
                if waited_seconds > limit_seconds:
                    await questions.forget(connection, name)
                    return Answer(None, UNREACHABLE if is_taken else _NO_WORKER, _IN_TIME)

    @asynccontextmanager
    async def _connection(self) -> "AsyncIterator[psycopg.AsyncConnection[Any]]":
        async with self._pool.connection(_CONNECT_SECONDS) as connection:
            yield connection

    async def _listen(self) -> None:
        pause_seconds = 0.1
        while True:
            try:
                async with await connect_async(self._dsn, API_WRITER_OPTIONS) as connection:
                    await connection.execute(f"listen {questions.ANSWERED}")
                    pause_seconds = 0.1
                    async for notice in connection.notifies():
                        if notice.payload in self._wakes:
                            self._wakes[notice.payload].set()
            except psycopg.Error as error:
                _log.warning("Answers are looked for by polling: %s", error)
            await asyncio.sleep(pause_seconds)
            pause_seconds = min(2 * pause_seconds, _PAUSE_MAX_SECONDS)


def _failure(question: Question, found: Answer) -> Failure:
    where, text = f"{question.connector!r}", found.error or ""
    match found.code:
        case "no_worker":
            text = (
                f"No worker holds account {question.account!r} at {where}: none took the question "
                f"within {TAKEN_SECONDS:.0f} s. Is a dispatcher running, and has the account a "
                "credential in force?"
            )
            return Failure(503, text, "no_worker", RETRY_SOON)
        case "unreachable":
            text = f"The venue {where} does not answer: {text}"
            return Failure(503, text, "venue_unreachable", RETRY_SOON)
        case "not_supported":
            return Failure(400, f"{where} cannot do that: {text}", "not_supported")
        case _:
            return Failure(502, f"The venue {where} refused: {found.code}: {text}", "venue_refused")
