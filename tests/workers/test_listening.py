"""What the private stream's messages do to one another."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import pytest
from msgspec import structs

from adapters.memory import MemoryStore
from adapters.venues.port import OrderUpdate, TradeUpdate, UserUpdate, VenueOrder, VenueTrade
from commands.committer import Committer
from commands.request import client_order_id_of, command_id_of
from tests.messages import PLACE
from tests.stores import opening, request_for
from workers.dispatching import listening
from workers.dispatching.desk import Desk
from workers.dispatching.listening import IN_FLIGHT_MAX, Listener
from workers.dispatching.recording import Recorder

DEADLINE_SECONDS = 30.0
NAME = client_order_id_of(command_id_of("alice", "filled"))


class Stream:
    """A venue that says of many orders that they are filled, and then of one how."""

    async def updates(self) -> AsyncIterator[UserUpdate]:
        for number in range(2 * IN_FLIGHT_MAX):
            yield OrderUpdate(_filled(f"other{number}"))
        yield TradeUpdate(
            VenueTrade(
                trade_id="1",
                sequence=1,
                client_order_id=NAME,
                exchange_order_id="7",
                pair="EUR-USD",
                side="BUY",
                quantity=Decimal(1),
                price=Decimal(1),
                fee=Decimal(0),
                fee_token="USD",
                is_maker=False,
                executed_at_us=1,
            )
        )
        await asyncio.sleep(DEADLINE_SECONDS)


class Everyone:
    """Whatever is named is ours."""

    async def canonical(self, name: str) -> str:
        return name

    async def all_canonical(self, names: Sequence[str]) -> Mapping[str, str]:
        return {name: name for name in names}


def _filled(name: str) -> VenueOrder:
    return VenueOrder(
        client_order_id=name,
        exchange_order_id="1",
        pair="EUR-USD",
        side="BUY",
        order_type="MARKET",
        quantity=Decimal(1),
        price=None,
        status="filled",
        filled_quantity=Decimal(1),
        created_at_us=1,
        updated_at_us=1,
    )


def test_orders_whose_fills_are_awaited_do_not_hold_up_the_stream(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(listening, "GRACE_SECONDS", 10 * DEADLINE_SECONDS)
    committer = Committer(MemoryStore())
    place = structs.replace(PLACE, client_order_id=NAME)
    for request in (*opening(PLACE.account), request_for(f"order-{NAME}", place, "filled")):
        assert committer.execute(request).receipt.outcome == "accepted"
    venue: Any = Stream()
    desk = Desk(PLACE.account, "paper", venue, Recorder(committer, Counter()), Everyone())

    async def nothing() -> None:
        return None

    async def listen() -> None:
        listener = asyncio.create_task(Listener(desk, nothing).run())
        async with asyncio.timeout(DEADLINE_SECONDS):
            while NAME not in desk.filled:  # noqa: ASYNC110 - a record is no event
                await asyncio.sleep(0.01)
        listener.cancel()
        await asyncio.gather(listener, return_exceptions=True)

    asyncio.run(listen())
    committer.close()
    assert desk.filled[NAME] == 1
