"""A dispatcher and a projector on a real log, against venues that are doubles with ledgers."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

from msgspec import Struct, structs

from adapters.postgres.log import PostgresLog
from adapters.venues.port import (
    OrderRequest,
    StreamConnected,
    TradePage,
    Traits,
    UserUpdate,
    VenueOrder,
    VenueRefused,
    VenueTrade,
)
from commands.committer import Committer
from commands.folding import fold
from commands.request import Command, Request, client_order_id_of, command_id_of
from domain import credential
from domain.credential import OfferCredential, RecordCredentialAccepted
from domain.order import Order, stream
from domain.order_messages import PlaceOrder
from tests.postgres_fixture import Database
from workers.dispatching.context import Outside
from workers.dispatching.dispatcher import Dispatcher
from workers.dispatching.dispatcher_limits import DispatcherLimits
from workers.projecting.following import run_projector
from workers.running.pulse import Pulse
from workers.tools.seed import seed

ACCOUNT, PAIR = "master_account", "EUR-USD"
DEADLINE_SECONDS = 60.0
QUICK = DispatcherLimits(
    window_seconds=0.5, lease_seconds=1.0, retry_first_seconds=0.05, retry_max_seconds=0.2
)
TRAITS = Traits(
    name="double",
    has_request_expiry=True,
    lookup_lag_us=0,
    clock_skew_max_us=0,
    client_order_id_pattern="^[a-z0-9]+$",
    client_order_id_length_max=36,
)


class Ledger:
    """A venue that takes every order, once; tests override what they want otherwise."""

    def __init__(self, traits: Traits = TRAITS) -> None:
        self.traits = traits
        self.placed: list[str] = []
        self.orders: dict[str, VenueOrder] = {}
        self.trades: list[VenueTrade] = []
        self.streams = 0
        self.is_closed = False

    async def place(self, request: OrderRequest) -> VenueOrder:
        return self.take(request)

    def take(self, request: OrderRequest) -> VenueOrder:
        name = request.client_order_id[: self.traits.client_order_id_length_max]
        self.placed.append(name)
        self.orders[name] = VenueOrder(
            client_order_id=name,
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
        return self.orders[name]

    def fill(self, name: str) -> None:
        """Fill an order in full; nobody is told."""
        order = self.orders[name]
        self.trade(name, str(order.quantity))
        self.orders[name] = structs.replace(order, status="filled", filled_quantity=order.quantity)

    def trade(self, name: str, quantity: str) -> None:
        """Fill a part of an order; nobody is told."""
        order = self.orders[name]
        self.trades.append(
            VenueTrade(
                trade_id=f"t{len(self.trades)}",
                sequence=len(self.trades) + 1,
                client_order_id=name,
                exchange_order_id=order.exchange_order_id,
                pair=order.pair,
                side=order.side,
                quantity=Decimal(quantity),
                price=Decimal(1),
                fee=Decimal(0),
                fee_token="USD",
                is_maker=True,
                executed_at_us=1,
            )
        )

    def _named(self, client_order_id: str) -> str:
        return client_order_id[: self.traits.client_order_id_length_max]

    async def open_orders(self) -> tuple[VenueOrder, ...]:
        return tuple(order for order in self.orders.values() if order.status == "open")

    async def order(self, _pair: str, client_order_id: str) -> VenueOrder | None:
        return self.orders.get(self._named(client_order_id))

    async def trades_of(self, _pair: str, client_order_id: str) -> tuple[VenueTrade, ...]:
        name = self._named(client_order_id)
        return tuple(trade for trade in self.trades if trade.client_order_id == name)

    async def trades_since(
        self, cursor: str | None, _pairs: Sequence[str], limit: int = 500
    ) -> TradePage:
        after = int(cursor or 0)
        page = tuple(self.trades[after : after + limit])
        return TradePage(trades=page, cursor=str(after + len(page)), has_more=False)

    async def time_us(self) -> int:
        return time.time_ns() // 1000

    async def updates(self) -> AsyncIterator[UserUpdate]:
        self.streams += 1
        yield StreamConnected()
        await asyncio.Event().wait()

    def expect(self, client_order_ids: Sequence[str]) -> None:
        """Tests override it."""

    async def close(self) -> None:
        self.is_closed = True


class RefusesStream(Ledger):
    """Its orders are taken, and its private stream says that nobody may listen."""

    async def updates(self) -> AsyncIterator[UserUpdate]:
        self.streams += 1
        raise VenueRefused("stream_refused", "these credentials were revoked")
        yield StreamConnected()


class Stage(Struct, frozen=True):
    database: Database
    store: PostgresLog
    committer: Committer

    def place(self, key: str, connector: str = "paper") -> str:
        command_id = command_id_of("tester", key)
        name = client_order_id_of(command_id)
        command = PlaceOrder(
            ACCOUNT, connector, PAIR, "BUY", "LIMIT", Decimal(1), Decimal(1), "OPEN", name
        )
        self.say(stream(name), command, key)
        return name

    def say(self, on: str, command: Command, key: str) -> None:
        """Have a command accepted."""
        command_id = command_id_of("tester", key)
        outcome = self.committer.execute(
            Request(
                command_id=command_id,
                actor="tester",
                stream=on,
                command=command,
                request_hash=command_id.encode(),
                correlation_id=command_id,
            )
        )
        assert outcome.receipt.outcome == "accepted", outcome.receipt

    def accept_credential(self, connector: str, secret_id: str) -> None:
        """Have a credential in force, in place of the one before."""
        on = credential.stream(ACCOUNT, connector)
        self.say(on, OfferCredential(ACCOUNT, connector, secret_id, "f"), f"offer {secret_id}")
        accepted = RecordCredentialAccepted(
            ACCOUNT, connector, secret_id, can_trade=True, can_withdraw=False
        )
        self.say(on, accepted, f"accept {secret_id}")

    def order(self, name: str) -> Order:
        _, state = fold(self.store, stream(name))
        assert isinstance(state, Order)
        return state

    def run_until(
        self, make_venue: "MakeVenue", is_done: Callable[[], bool], pulse: Pulse | None = None
    ) -> str:
        """Run projector and dispatcher until a fact holds; answers what the latter last said."""
        pulse = Pulse("dispatcher") if pulse is None else pulse
        asyncio.run(self._run(make_venue, is_done, pulse))
        return pulse.state

    async def _run(
        self, make_venue: "MakeVenue", is_done: Callable[[], bool], pulse: Pulse
    ) -> None:
        stopping = asyncio.Event()
        outside = Outside(make_venue, _secret)
        dispatcher = Dispatcher(self.database.app_dsn, self.committer, outside, pulse, QUICK)
        async with asyncio.timeout(3 * DEADLINE_SECONDS), asyncio.TaskGroup() as tasks:
            tasks.create_task(run_projector(self.database.app_dsn, Pulse("projector"), stopping))
            tasks.create_task(dispatcher.run(stopping))
            deadline = time.monotonic() + DEADLINE_SECONDS
            while not (was_done := is_done()) and time.monotonic() < deadline:  # noqa: ASYNC110 - a ledger is no event
                await asyncio.sleep(0.01)
            stopping.set()
        assert was_done, f"not within {DEADLINE_SECONDS:g} s; it says {pulse.state!r}"


MakeVenue = Callable[[str, str, Mapping[str, str]], Any]


async def _secret(secret_id: str) -> Mapping[str, str]:
    return {"key": secret_id}


def serving(venues: Mapping[str, Any]) -> MakeVenue:
    """The same venue for a connector, whatever the account and its credential."""

    def make_venue(connector: str, _account: str, _credential: Mapping[str, str]) -> Any:
        if connector not in venues:
            raise LookupError(f"There is no venue {connector!r} here.")
        return venues[connector]

    return make_venue


@contextmanager
def stage(database: Database) -> Iterator[Stage]:
    store = PostgresLog(database.app_dsn)
    committer = Committer(store)
    seed(committer)
    try:
        yield Stage(database, store, committer)
    finally:
        committer.close()
        store.close()
