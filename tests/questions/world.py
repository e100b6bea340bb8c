"""Venues that workers ask for API processes, and workers that answer."""

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from decimal import Decimal
from typing import Any

from msgspec import structs

from adapters.venues.port import Balance, PositionMode, Traits
from tests.postgres_fixture import Database
from workers.dispatching import answering
from workers.dispatching.desk import Desk
from workers.dispatching.recording import Recorder

EUR = Balance(token="EUR", total=Decimal("1.50"), available=Decimal("0.50"))
TRAITS = Traits(
    name="double",
    has_request_expiry=True,
    lookup_lag_us=0,
    clock_skew_max_us=0,
    client_order_id_pattern="^[a-z0-9]+$",
    client_order_id_length_max=36,
    is_perpetual=True,
)
Places = Mapping[tuple[str, str], Desk]


class Venue:
    """Answers when it is let, or raises what it is told."""

    traits = TRAITS

    def __init__(self, error: Exception | None = None, *balances: Balance) -> None:
        self.asked = 0
        self.was_asked = asyncio.Event()
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.error = error
        self.held = balances or (EUR,)

    async def balances(self) -> tuple[Balance, ...]:
        self.asked += 1
        self.was_asked.set()
        await self.may_answer.wait()
        if self.error is not None:
            raise self.error
        return self.held

    async def position_mode(self) -> PositionMode:
        await self.balances()
        return "HEDGE"


class Spot(Venue):
    traits = structs.replace(TRAITS, is_perpetual=False)


def desks_of(account: str = "main", **venues: Venue) -> Places:
    return {(account, name): _desk(account, name, venue) for name, venue in venues.items()}


def _desk(account: str, connector: str, venue: Any) -> Desk:
    nothing: Any = None  # Nothing is recorded here.
    return Desk(account, connector, venue, Recorder(nothing, Counter()), nothing)


@asynccontextmanager
async def answering_by(database: Database, desks: Places, holder: str = "w") -> AsyncIterator[None]:
    task = asyncio.create_task(answering.run(database.app_dsn, lambda: desks, holder))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@contextmanager
def answering_beside(database: Database, desks: Places) -> Iterator[None]:
    """A worker in a thread of its own, for tests that do not await."""
    ended = threading.Event()

    async def work() -> None:
        async with answering_by(database, desks):
            await asyncio.to_thread(ended.wait)

    thread = threading.Thread(target=asyncio.run, args=(work(),))
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
