"""The dispatcher against a venue double with a ledger of its own."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from adapters.postgres.connect import WRITER_OPTIONS, connect_async
from adapters.postgres.log import PostgresLog
from adapters.venues.port import (
    OrderRequest,
    StreamConnected,
    TradePage,
    Traits,
    UserUpdate,
    VenueOrder,
    VenueRefused,
)
from commands.committer import Committer
from commands.request import Request, client_order_id_of, command_id_of
from domain.account import AddConnector
from domain.order import stream
from domain.order_messages import PlaceOrder
from tests.postgres_fixture import Database
from workers.dispatching.context import Outside
from workers.dispatching.dispatcher import Dispatcher, DispatcherLimits
from workers.dispatching.naming import find_orders
from workers.projecting.following import run_projector
from workers.running.pulse import Pulse
from workers.tools.seed import seed

pytestmark = pytest.mark.postgres
DEADLINE_SECONDS = 30.0
QUICK = DispatcherLimits(lease_seconds=1.0, retry_first_seconds=0.05, retry_max_seconds=0.2)


class Ledger:
    """A venue that takes every order, once, and may refuse its private stream."""

    traits = Traits(
        name="double",
        has_request_expiry=True,
        lookup_lag_us=0,
        clock_skew_max_us=0,
        client_order_id_pattern="^[a-z0-9]+$",
        client_order_id_length_max=36,
    )

    def __init__(self, *, refuses_stream: bool = False) -> None:
        self.placed: list[str] = []
        self.streams = 0
        self._refuses_stream = refuses_stream

    async def place(self, request: OrderRequest) -> VenueOrder:
        self.placed.append(request.client_order_id)
        return VenueOrder(
            client_order_id=request.client_order_id,
            exchange_order_id=str(len(self.placed)),
            pair=request.pair,
            side=request.side,
            order_type=request.order_type,
            quantity=request.quantity,
            price=request.price,
            status="open",
            filled_quantity=Decimal(0),
            created_at_us=1,
            updated_at_us=1,
        )

    async def open_orders(self) -> tuple[VenueOrder, ...]:
        return ()

    async def order(self, _pair: str, _client_order_id: str) -> VenueOrder | None:
        return None

    async def trades_since(
        self, cursor: str | None, _pairs: Sequence[str], limit: int = 500
    ) -> TradePage:
        assert limit > 0
        return TradePage(trades=(), cursor=cursor or "0", has_more=False)

    async def updates(self) -> AsyncIterator[UserUpdate]:
        self.streams += 1
        if self._refuses_stream:
            raise VenueRefused("stream_refused", "these credentials were revoked")
        yield StreamConnected()
        await asyncio.Event().wait()

    async def close(self) -> None:
        """Nothing to close."""


@contextmanager
def _log(database: Database) -> Iterator[Committer]:
    store = PostgresLog(database.app_dsn)
    committer = Committer(store)
    seed(committer)
    try:
        yield committer
    finally:
        committer.close()
        store.close()


def _place(committer: Committer, key: str, connector: str = "paper") -> str:
    command_id = command_id_of("tester", key)
    name = client_order_id_of(command_id)
    command = PlaceOrder(
        "master_account", connector, "EUR-USD", "BUY", "LIMIT", Decimal(1), Decimal(1), "OPEN", name
    )
    outcome = committer.execute(_request(command_id, stream(name), command))
    assert outcome.receipt.outcome == "accepted"
    return name


def _request(command_id: str, stream_name: str, command: Any) -> Request:
    return Request(
        command_id=command_id,
        actor="tester",
        stream=stream_name,
        command=command,
        request_hash=command_id.encode(),
        correlation_id=command_id,
    )


async def _no_secret(secret_id: str) -> Mapping[str, str]:
    raise LookupError(f"There is no secret {secret_id!r} here.")


def _run_until(
    database: Database, committer: Committer, venues: dict[str, Ledger], is_done: Callable[[], bool]
) -> str:
    """Run projector and dispatcher until a fact holds; answers what it says of itself."""

    async def work() -> str:
        stopping, pulse = asyncio.Event(), Pulse("dispatcher")

        def make_venue(connector: str, _account: str, _credential: Mapping[str, str]) -> Any:
            if connector not in venues:
                raise LookupError(f"There is no venue {connector!r} here.")
            return venues[connector]

        outside = Outside(make_venue, _no_secret)
        dispatcher = Dispatcher(database.app_dsn, committer, outside, pulse, QUICK)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(run_projector(database.app_dsn, Pulse("projector"), stopping))
            tasks.create_task(dispatcher.run(stopping))
            deadline = time.monotonic() + DEADLINE_SECONDS
            while not is_done() and time.monotonic() < deadline:  # noqa: ASYNC110 - a ledger is no event
                await asyncio.sleep(0.01)
            stopping.set()
        return pulse.state

    return asyncio.run(work())


def test_an_order_whose_lease_was_lost_is_sent_once_the_lease_is_ours_again(
    migrated: Callable[[], Database],
) -> None:
    database, venue = migrated(), Ledger()
    with _log(database) as committer:
        first = _place(committer, "first")
        names: list[str] = []

        def is_done() -> bool:
            if venue.placed == [first] and not names:
                with psycopg.connect(database.owner_dsn) as thief:
                    thief.execute(
                        """update leases set lease = lease + 1, holder = 'another',
                        expires_at = now() + interval '2 seconds'"""
                    )
                names.append(_place(committer, "second"))
            return len(venue.placed) > 1

        _run_until(database, committer, {"paper": venue}, is_done)
        assert venue.placed == [first, *names]


def test_a_connector_without_a_venue_does_not_hold_up_the_others(
    migrated: Callable[[], Database],
) -> None:
    database, venue = migrated(), Ledger()
    with _log(database) as committer:
        add = AddConnector("master_account", "elsewhere")
        committer.execute(_request(command_id_of("tester", "add"), "account-master_account", add))
        for number in range(2 * QUICK.in_flight_max):  # More than are ever looked at together.
            _place(committer, f"waits {number}", "elsewhere")
        sent = _place(committer, "goes")
        state = _run_until(database, committer, {"paper": venue}, lambda: bool(venue.placed))
        assert venue.placed == [sent]
        # Up to the colon is for everybody: /ready shows it without a login.
        assert state == "no venue: master_account/elsewhere"


def test_a_private_stream_that_is_refused_stops_no_order(
    migrated: Callable[[], Database],
) -> None:
    database, venue = migrated(), Ledger(refuses_stream=True)
    with _log(database) as committer:
        first = _place(committer, "first")
        later: list[str] = []

        def is_done() -> bool:
            if venue.streams > 1 and not later:
                later.append(_place(committer, "second"))
            return len(venue.placed) > 1

        _run_until(database, committer, {"paper": venue}, is_done)
        assert venue.placed == [first, *later]


def test_an_order_is_ours_before_any_read_model_knows_it(
    migrated: Callable[[], Database],
) -> None:
    database = migrated()

    async def ask(*names: str) -> dict[str, str]:
        async with await connect_async(database.app_dsn, WRITER_OPTIONS) as connection:
            return await find_orders(connection, names)

    with _log(database) as committer:
        name = _place(committer, "unseen")  # No projector runs.
        assert asyncio.run(ask(name, "someone-elses", "")) == {name: name}
        # Venues that take shorter names know it by its beginning.
        assert asyncio.run(ask(name[:20], name[:10], "av" + "7" * 18)) == {name[:20]: name}
