"""Dispatchers that look at accounts as a whole, at venues that hold what a test says."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from decimal import Decimal
from typing import Any

from msgspec import structs

from adapters.settings import Settings
from adapters.venues.port import Balance, Ticker
from api.accounts.asking import Asking
from api.market.venues import Venues
from commands.codec import decode_metadata, decode_recorded
from domain import portfolio
from domain.portfolio import ConnectorHeld, PortfolioObserved, PortfolioVenueSilent
from tests.market.scripted import ScriptedVenue
from tests.postgres_fixture import Database
from tests.workers.stage import ACCOUNT, QUICK, Ledger, Stage, stage
from workers.dispatching.context import Outside
from workers.dispatching.dispatcher import Dispatcher
from workers.projecting.following import run_projector
from workers.running.pulse import Pulse

DEADLINE_SECONDS = 60.0
BALANCES = (
    Balance(token="EUR", total=Decimal("10.50"), available=Decimal("4.5")),
    Balance(token="USDT", total=Decimal(100), available=Decimal(100)),
    Balance(token="DUST", total=Decimal("0.00"), available=Decimal(0)),
    Balance(token="UNKNOWN", total=Decimal(3), available=Decimal(3)),
)


class Holding(Ledger):
    """A venue that tells balances: when it is let, and what `error` does not prevent."""

    def __init__(self) -> None:
        super().__init__()
        self.held: tuple[Balance, ...] = BALANCES
        self.error: Exception | None = None
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.asked = 0

    def give(self, token: str, total: str) -> None:
        kept = [its for its in self.held if its.token != token]
        self.held = (*kept, Balance(token=token, total=Decimal(total), available=Decimal(total)))

    async def balances(self) -> tuple[Balance, ...]:
        self.asked += 1
        await self.may_answer.wait()
        if self.error is not None:
            raise self.error
        return self.held


class World:
    def __init__(self, on: Stage) -> None:
        self.on = on
        self.venues: dict[str, Holding] = {"paper": Holding()}
        self.market = ScriptedVenue()
        self.market.pair_tickers = {
            pair: Ticker(pair=pair, bid=None, ask=None, last=Decimal(price), at_us=1)
            for pair, price in (("EUR-USDT", "1.25"), ("BTC-USDT", "50000.10"))
        }
        self.counts: list[Pulse] = []

    def add(self, connector: str) -> Holding:
        self.on.accept_credential(connector, "s1")
        return self.venues.setdefault(connector, Holding())

    def events(self) -> list[Any]:
        recorded = self.on.store.read_stream(portfolio.stream(ACCOUNT))
        return [decode_recorded(each) for each in recorded]

    def snapshots(self, cause: str | None = None) -> list[PortfolioObserved]:
        found = [its for its in self.events() if isinstance(its, PortfolioObserved)]
        return [its for its in found if cause in (None, its.cause)]

    def points(self) -> list[int]:
        """The points of the grid of time that snapshots were made for, as they are recorded."""
        recorded = self.on.store.read_stream(portfolio.stream(ACCOUNT))
        told = [each for each in recorded if each.tag == "portfolio.observed.v1"]
        causes = [decode_metadata(each.metadata).correlation_id for each in told]
        return [int(its.rpartition("-")[2]) for its in causes]

    def silences(self) -> list[PortfolioVenueSilent]:
        return [its for its in self.events() if isinstance(its, PortfolioVenueSilent)]

    def held(self, connector: str = "paper") -> ConnectorHeld | None:
        """At the last snapshot."""
        snapshots = self.snapshots()
        found = [its for its in snapshots[-1].held if its.connector == connector]
        return found[0] if found else None

    def run(
        self, body: Callable[[], Awaitable[None]], every_seconds: float, dispatchers: int = 1
    ) -> None:
        """Beside a projector and so many dispatchers."""
        asyncio.run(self._run(body, every_seconds, dispatchers))

    async def _run(
        self, body: Callable[[], Awaitable[None]], every_seconds: float, dispatchers: int
    ) -> None:
        stopping = asyncio.Event()
        dsn = self.on.database.app_dsn
        limits = structs.replace(QUICK, portfolio_seconds=every_seconds)
        outside = Outside(self._make, _secret, Settings(), self._public)
        failed: AssertionError | None = None
        async with asyncio.timeout(3 * DEADLINE_SECONDS), asyncio.TaskGroup() as tasks:
            tasks.create_task(run_projector(dsn, Pulse("projector"), stopping))
            for number in range(dispatchers):
                self.counts.append(Pulse(f"dispatcher{number}"))
                dispatcher = Dispatcher(dsn, self.on.committer, outside, self.counts[-1], limits)
                tasks.create_task(dispatcher.run(stopping))
            try:
                await body()
            except AssertionError as error:
                failed = error  # Raised here it would cancel the projector, whose thread goes on.
            stopping.set()
        if failed is not None:
            raise failed

    def _make(self, connector: str, _account: str, _credential: Mapping[str, str]) -> Any:
        if connector not in self.venues:
            raise LookupError(f"There is no venue {connector!r} here.")
        return self.venues[connector]

    def _public(self, _settings: Settings) -> Venues:
        async def make(_name: str) -> Any:
            return self.market

        return Venues(make, ("paper", "binance"))

    @asynccontextmanager
    async def asking(self) -> AsyncIterator[Asking]:
        asking = Asking(self.on.database.app_dsn)
        await asking.start()
        try:
            yield asking
        finally:
            await asking.close()


async def _secret(secret_id: str) -> Mapping[str, str]:
    return {"key": secret_id}


async def until(is_so: Callable[[], object], what: str = "it") -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not is_so():
        assert time.monotonic() < deadline, f"{what} did not come to be in {DEADLINE_SECONDS:g} s"
        await asyncio.sleep(0.01)


@contextmanager
def world_on(database: Database) -> Iterator[World]:
    with stage(database) as on:
        yield World(on)
