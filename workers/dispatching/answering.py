"""Answers what API processes ask about accounts that this dispatcher holds.

The same question asked again within a second is answered from memory, unless it says that it wants
the venue's word of now. Reads only: nothing here changes anything at a venue.
"""

import asyncio
import functools
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
import psycopg
from msgspec import Struct

from adapters.postgres import questions
from adapters.postgres.connect import WRITER_OPTIONS, connect_async
from adapters.postgres.questions import EVERY_CONNECTOR, UNREACHABLE, Answer, Question, Taken
from adapters.venues.port import Venue, VenueRefused, VenueUnreachable
from workers.dispatching.desk import Desk

_log = logging.getLogger(__name__)
Desks = Callable[[], Mapping[tuple[str, str], Desk]]
"""Those whose accounts are ours now."""
OfAccount = Mapping[str, Callable[[str], Awaitable[object]]]
"""By kind, who answers questions of an account as a whole, given its name."""
NOBODY: OfAccount = {}

AT_ONCE_MAX = 64
AT_ONCE_PER_DESK = 4
REMEMBERED_SECONDS = 1.0
ANSWER_SECONDS = 10.0
POLL_SECONDS = 1.0
SWEEP_SECONDS = 60.0
KEPT_SECONDS = 600.0


class Detail(Struct, frozen=True):
    """What every question may say."""

    is_fresh: bool = False
    """An answer of a moment ago is not good enough."""


async def _balances(venue: Venue) -> object:
    return await venue.balances()


async def _position_mode(venue: Venue) -> object:
    if not venue.traits.is_perpetual:
        raise VenueRefused("not_supported", "it is no perpetual venue")
    perpetual: Any = venue
    return await perpetual.position_mode()


ANSWERERS: Mapping[str, Callable[[Venue], Awaitable[object]]] = {
    "balances": _balances,
    "position_mode": _position_mode,
}


async def run(dsn: str, desks: Desks, holder: str, of_account: OfAccount = NOBODY) -> None:
    """Until cancelled; raises psycopg.Error where a restart is the cure."""
    async with (
        await connect_async(dsn, WRITER_OPTIONS) as listening,
        await connect_async(dsn, WRITER_OPTIONS) as side,
        asyncio.TaskGroup() as tasks,
    ):
        await listening.execute(f"listen {questions.ASKED}")
        answering = Answering(side, desks, tasks, of_account)
        swept_at = 0.0
        while True:
            taken = await answering.take(holder)
            if time.monotonic() > swept_at + SWEEP_SECONDS:
                await questions.sweep(side, KEPT_SECONDS)
                swept_at = time.monotonic()
            if taken:
                continue
            async for _ in listening.notifies(timeout=POLL_SECONDS, stop_after=1):
                pass


class Answering:
    def __init__(
        self,
        side: psycopg.AsyncConnection[Any],
        desks: Desks,
        tasks: asyncio.TaskGroup,
        of_account: OfAccount = NOBODY,
    ) -> None:
        self._side = side
        self._desks = desks
        self._of_account = of_account
        self._tasks = tasks
        self._free = asyncio.Semaphore(AT_ONCE_MAX)
        self._per_desk: dict[tuple[str, str], asyncio.Semaphore] = {}
        self._asked: dict[tuple[str, str, str], tuple[float, asyncio.Task[Answer]]] = {}
        """When it was asked and what comes of it, by account, connector and kind."""

    async def take(self, holder: str) -> int:
        """Take what waits and answer it beside; answers how many. Waits for room first."""
        ours = self._desks()
        if not ours:
            return 0
        await self._free.acquire()
        self._free.release()
        places = [*ours]
        if self._of_account:
            places += [(account, EVERY_CONNECTOR) for account in {account for account, _ in ours}]
        taken = await questions.take(self._side, places, holder, AT_ONCE_MAX)
        for its in taken:
            await self._free.acquire()
            task = self._tasks.create_task(self._answer(its))
            task.add_done_callback(lambda _: self._free.release())
        return len(taken)

    async def _answer(self, taken: Taken) -> None:
        found = await asyncio.shield(self._found(taken.question))
        await questions.answer(self._side, taken.id, found)

    def _found(self, question: Question) -> "asyncio.Task[Answer]":
        """One under way or just made, or a new one."""
        key = (question.account, question.connector, question.kind)
        detail = msgspec.json.decode(question.detail or "{}", type=Detail)
        now = time.monotonic()
        known = self._asked.get(key)
        if known is not None:
            asked_at, task = known
            is_good = not task.done() or (
                not detail.is_fresh and now < asked_at + REMEMBERED_SECONDS
            )
            if is_good and not task.cancelled():
                return task
        task = self._tasks.create_task(self._ask(question))
        self._asked[key] = (now, task)
        for old in [key for key, (at, its) in self._asked.items() if its.done() and at < now - 60]:
            del self._asked[old]
        return task

    async def _ask(self, question: Question) -> Answer:
        place = (question.account, question.connector)
        slots = self._per_desk.setdefault(place, asyncio.Semaphore(AT_ONCE_PER_DESK))
        try:
            find_out = self._answerer(question)
            async with asyncio.timeout(ANSWER_SECONDS), slots:
                found = await find_out()
        except TimeoutError:
            return Answer(None, UNREACHABLE, f"no answer within {ANSWER_SECONDS:.0f} s")
        except VenueUnreachable as error:
            desk = self._desks().get(place)
            if desk is not None:
                desk.heed(error)
            return Answer(None, UNREACHABLE, str(error))
        except VenueRefused as refusal:
            return Answer(None, refusal.code, refusal.text)
        except Exception as error:  # noqa: BLE001 - one venue must not silence the others
            _log.exception("%s of %s at %s failed", question.kind, *place)
            return Answer(None, UNREACHABLE, f"internal error: {type(error).__name__}")
        return Answer(msgspec.json.encode(found).decode())

    def _answerer(self, question: Question) -> Callable[[], Awaitable[object]]:
        """Raises what stands in the way."""
        of_account = self._of_account.get(question.kind)
        if question.connector == EVERY_CONNECTOR and of_account is not None:
            return functools.partial(of_account, question.account)
        desk = self._desks().get((question.account, question.connector))
        if desk is None:
            raise VenueUnreachable("the account is another worker's now; ask again")
        answerer = ANSWERERS.get(question.kind)
        if answerer is None:
            text = f"this worker cannot answer {question.kind!r}"
            raise VenueRefused("not_supported", text)
        if desk.is_paused:
            raise VenueUnreachable("it wants fewer requests for the moment")
        return functools.partial(answerer, desk.venue)
