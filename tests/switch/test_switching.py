"""The dispatcher while a kill switch is engaged, at a venue with a ledger of its own."""

import asyncio
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from msgspec import structs

from adapters.postgres.connect import WRITER_OPTIONS, connect_async
from adapters.venues.port import OrderRequest, VenueOrder
from commands.codec import decode_metadata
from domain.account import OpenAccount
from domain.order import stream
from domain.order_messages import DispatchOrder, RecordRejected
from domain.switch import EngageSwitch, LiftSwitch
from tests.messages import fill_of
from tests.postgres_fixture import Database
from tests.workers.stage import ACCOUNT, Ledger, Stage, serving, stage
from workers.dispatching import switching
from workers.projecting.projector import catch_up

pytestmark = pytest.mark.postgres
ENGAGE = EngageSwitch("*", "runaway")


class Cancels(Ledger):
    """It cancels what rests there."""

    async def cancel(self, _pair: str, client_order_id: str) -> VenueOrder:
        order = self.orders[client_order_id]
        self.orders[client_order_id] = structs.replace(order, status="cancelled")
        return self.orders[client_order_id]


class Engages(Cancels):
    """While the first order is being sent the switch is engaged."""

    def __init__(self, on: Stage) -> None:
        super().__init__()
        self._on = on

    async def place(self, request: OrderRequest) -> VenueOrder:
        if not self.placed:
            self._on.say("switch-*", ENGAGE, "engage")
        return self.take(request)


def all_are(on: Stage, names: list[str], status: str) -> Callable[[], bool]:
    return lambda: all(on.order(name).status == status for name in names)


def test_what_is_open_is_cancelled_and_nothing_more_is_sent(
    migrated: Callable[[], Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(switching, "PAGE_ORDERS", 2)
    venue: Ledger = Cancels()
    with stage(migrated()) as on:
        names = [on.place(f"open {number}") for number in range(5)]
        on.run_until(serving({"paper": venue}), all_are(on, names, "open"))
        waiting = [on.place(f"waits {number}") for number in range(3)]
        on.say("switch-*", ENGAGE, "engage")
        every = [*names, *waiting]
        on.run_until(serving({"paper": venue}), all_are(on, every, "cancelled"))
        assert sorted(venue.placed) == sorted(names)
        engaged_at = on.store.read_stream("switch-*")[0].position
        cancelled = on.store.read_stream(stream(waiting[0]))[1]
        metadata = decode_metadata(cancelled.metadata)
        assert (metadata.causation_id, metadata.actor) == (str(engaged_at), "worker:kill-switch")


def test_an_order_that_is_being_sent_is_cancelled_when_it_has_arrived(
    migrated: Callable[[], Database],
) -> None:
    with stage(migrated()) as on:
        venue = Engages(on)
        first = on.place("first")
        on.run_until(serving({"paper": venue}), all_are(on, [first], "cancelled"))
        assert venue.orders[first].status == "cancelled"


def test_another_account_s_switch_leaves_orders_alone(migrated: Callable[[], Database]) -> None:
    venue: Any = Cancels()
    with stage(migrated()) as on:
        on.say("account-other", OpenAccount("other"), "open other")
        on.say("switch-other", EngageSwitch("other", ""), "engage")
        name = on.place("goes")
        on.run_until(serving({"paper": venue}), all_are(on, [name], "open"))


def test_an_order_that_comes_alive_is_cancelled_as_long_as_the_switch_is_engaged(
    migrated: Callable[[], Database],
) -> None:
    venue = Cancels()
    with stage(migrated()) as on:
        name = on.place("rejected")
        on.say(stream(name), DispatchOrder(1, 1, 0, ACCOUNT), "dispatch")
        on.say(stream(name), RecordRejected("-1", "no", 1), "reject")
        on.say("switch-*", ENGAGE, "engage")
        fill = structs.replace(fill_of("t1", "0.4"), fee_token="USD")
        request = OrderRequest(
            client_order_id=name,
            pair="EUR-USD",
            side="BUY",
            order_type="LIMIT",
            quantity=Decimal(1),
            price=Decimal(1),
            expires_at_us=0,
        )
        venue.take(request)
        on.say(stream(name), fill, "fill")
        on.run_until(serving({"paper": venue}), all_are(on, [name], "cancelled"))
        assert venue.orders[name].status == "cancelled"


def test_orders_are_sent_again_once_it_is_lifted(migrated: Callable[[], Database]) -> None:
    venue: Ledger = Cancels()
    with stage(migrated()) as on:
        before = on.place("before")
        on.say("switch-*", ENGAGE, "engage")
        on.run_until(serving({"paper": venue}), all_are(on, [before], "cancelled"))
        on.say("switch-*", LiftSwitch("*", "fixed"), "lift")
        after = on.place("after")
        on.run_until(serving({"paper": venue}), all_are(on, [after], "open"))
        assert venue.placed == [after]
        tags = [event.tag for event in on.store.read_stream(stream(before))]
        assert tags == ["order.placed.v1", "order.cancel_requested.v1", "order.withdrawn.v1"]


def test_what_is_placed_after_it_was_lifted_is_left_alone(
    migrated: Callable[[], Database],
) -> None:
    with stage(migrated()) as on:
        on.say("switch-*", ENGAGE, "engage")
        catch_up(on.database.app_dsn)
        placed: list[str] = []

        class Late:
            """The switch is lifted, and an order placed, just after somebody saw it engaged."""

            def __init__(self, real: Any) -> None:
                self._real = real

            async def execute(self, query: str, *parameters: Any) -> Any:
                found = await self._real.execute(query, *parameters)
                if not placed:
                    on.say("switch-*", LiftSwitch("*", "fixed"), "lift")
                    placed.append(on.place("after"))
                    catch_up(on.database.app_dsn)
                return found

        async def enforce() -> None:
            async with await connect_async(on.database.app_dsn, WRITER_OPTIONS) as connection:
                late: Any = Late(connection)
                await switching.Switching(on.committer, Counter()).enforce(late, [ACCOUNT])

        asyncio.run(enforce())
        assert not on.order(placed[0]).is_cancel_requested
