"""Snapshots of what accounts hold, as a worker would have recorded them."""

import asyncio
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import psycopg

from adapters.postgres import questions
from adapters.postgres.questions import Snapshot
from domain import portfolio
from domain.account import OpenAccount
from domain.portfolio import ConnectorHeld, ObservePortfolio, SilentVenue, TokenHeld
from tests.api.live import Live
from tests.faults.processes import until
from tests.questions.world import Spot, desks_of
from workers.dispatching import answering

MINUTE_US = 60_000_000
DAY_US = 1440 * MINUTE_US
NOON_US = 1_750_000_000_000_000 // DAY_US * DAY_US + DAY_US // 2
"""2025-06-15T12:00:00+00:00."""

Held = Mapping[str, Mapping[str, tuple[str, str | None]]]
"""Units and price by connector and token."""


def token(name: str, units: str, price: str | None, available: str | None = None) -> TokenHeld:
    free = Decimal(units if available is None else available)
    return TokenHeld(name, Decimal(units), free, None if price is None else Decimal(price))


def connector(name: str, at_us: int, tokens: Mapping[str, tuple[str, str | None]]) -> ConnectorHeld:
    return ConnectorHeld(name, at_us, tuple(token(t, *its) for t, its in tokens.items()))


def observe(
    live: Live, account: str, at_us: int, held: Held, silent: tuple[SilentVenue, ...] = ()
) -> int:
    """The position of the snapshot; the account is opened when it is not there."""
    if account != "master_account":
        live.execute(f"account-{account}", OpenAccount(account), f"open {account}")
    told = tuple(connector(name, at_us, tokens) for name, tokens in held.items())
    command = ObservePortfolio(account, "USDT", "interval", at_us, told, silent)
    name = f"{account} {at_us} {held!r} {silent!r}"
    return live.execute(portfolio.stream(account), command, name).receipt.position


def both(live: Live, path: str, asked: dict[str, Any]) -> Any:
    """The one answer of the two twins."""
    posted = live.client.post(f"/portfolio/{path}", json=asked)
    gotten = live.client.get(
        f"/portfolio/{path}", params={k: v for k, v in asked.items() if v is not None}
    )
    assert posted.status_code == gotten.status_code == 200, (posted.text, gotten.text)
    assert posted.content == gotten.content
    assert posted.headers["Log-Position"] == gotten.headers["Log-Position"]
    return posted.json()


class Looks:
    """What a worker finds when it is asked for a snapshot; it may also fail."""

    def __init__(self, live: Live, held: Held, *silent: SilentVenue) -> None:
        self.live = live
        self.held = held
        self.silent = silent
        self.error: Exception | None = None
        self.asked: list[str] = []

    def take(self, account: str) -> Snapshot:
        self.asked.append(account)
        if self.error is not None:
            raise self.error
        at_us = NOON_US + len(self.asked) * MINUTE_US
        position = observe(self.live, account, at_us, self.held, self.silent)
        self.live.project()
        return Snapshot(position)


def await_worker(live: Live) -> None:
    """Until one listens for questions: a moment after its thread has begun."""
    query = "select 1 from pg_stat_activity where datname = current_database() and query = %s"
    with psycopg.connect(live.database.app_dsn, autocommit=True) as watching:
        until(
            lambda: watching.execute(query, (f"listen {questions.ASKED}",)).fetchone(),
            "a worker listens",
        )


@contextmanager
def looking(looks: Looks, *accounts: str) -> Iterator[None]:
    """A worker in a thread of its own, which holds these accounts and answers for them."""
    ended = threading.Event()
    desks = {place: desk for name in accounts for place, desk in desks_of(name, v=Spot()).items()}

    async def take(account: str) -> Snapshot:
        return await asyncio.to_thread(looks.take, account)

    async def work() -> None:
        run = answering.run(looks.live.database.app_dsn, lambda: desks, "w", {"portfolio": take})
        task = asyncio.create_task(run)
        await asyncio.to_thread(ended.wait)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    thread = threading.Thread(target=asyncio.run, args=(work(),))
    thread.start()
    try:
        await_worker(looks.live)
        yield
    finally:
        ended.set()
        thread.join()
