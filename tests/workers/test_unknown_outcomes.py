"""Venues where "not there" proves nothing: no order is sent again but on somebody's word."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping

import pytest
from msgspec import structs

from adapters.venues.port import OrderRequest, UserUpdate, VenueOrder, VenueUnreachable
from domain.order import stream
from domain.order_messages import AllowResend, CancelOrder
from tests.postgres_fixture import Database
from tests.workers import stage as staging
from tests.workers.stage import QUICK, TRAITS, Ledger, serving, stage

pytestmark = pytest.mark.postgres
UNPROVEN = structs.replace(TRAITS, has_request_expiry=False)


class Loses(Ledger):
    """Takes the first order, or not, and says nothing."""

    def __init__(self, *, takes_it: bool) -> None:
        super().__init__(UNPROVEN)
        self.sent = 0
        self.lookups = 0
        self._takes_it = takes_it
        self.is_hidden = True

    async def place(self, request: OrderRequest) -> VenueOrder:
        self.sent += 1
        if self.sent > 1:
            return self.take(request)
        if self._takes_it:
            self.take(request)
        raise VenueUnreachable("timeout")

    async def order(self, pair: str, client_order_id: str) -> VenueOrder | None:
        self.lookups += 1
        return None if self.is_hidden else await super().order(pair, client_order_id)

    async def updates(self) -> AsyncIterator[UserUpdate]:
        await asyncio.Event().wait()
        yield  # type: ignore[misc]  # never reached


def test_where_not_there_proves_nothing_an_order_is_not_sent_again_by_itself(
    migrated: Callable[[], Database],
) -> None:
    venue = Loses(takes_it=False)
    with stage(migrated()) as on:
        name = on.place("lost")
        on.run_until(serving({"paper": venue}), lambda: venue.lookups > 5)
        assert (venue.sent, on.order(name).status) == (1, "unknown")

        on.say(stream(name), AllowResend(), "resend")
        on.run_until(serving({"paper": venue}), lambda: on.order(name).status == "open")
        assert (venue.sent, venue.placed, on.order(name).attempt) == (2, [name], 2)


def test_an_order_that_its_venue_shows_is_not_sent_again_whatever_somebody_said(
    migrated: Callable[[], Database],
) -> None:
    venue = Loses(takes_it=True)
    with stage(migrated()) as on:
        name = on.place("lost")
        on.run_until(serving({"paper": venue}), lambda: on.order(name).status == "unknown")
        on.say(stream(name), AllowResend(), "resend")
        venue.is_hidden = False
        on.run_until(serving({"paper": venue}), lambda: on.order(name).status == "open")
        assert (venue.sent, venue.placed) == (1, [name])


def test_an_order_of_unknown_outcome_that_is_to_be_cancelled_ends_on_somebodys_word(
    migrated: Callable[[], Database],
) -> None:
    venue = Loses(takes_it=False)
    with stage(migrated()) as on:
        name = on.place("lost")
        on.run_until(serving({"paper": venue}), lambda: on.order(name).status == "unknown")
        on.say(stream(name), CancelOrder(), "cancel")
        on.say(stream(name), AllowResend(), "resend")
        on.run_until(serving({"paper": venue}), lambda: on.order(name).status == "cancelled")
        assert venue.sent == 1


class Silent(Ledger):
    """Answers no order but the first, and does as it is told of that one."""

    def __init__(self) -> None:
        super().__init__(UNPROVEN)
        self.sent = 0
        self.lookups: Counter[str] = Counter()

    async def place(self, request: OrderRequest) -> VenueOrder:
        self.sent += 1
        if self.sent > 1:
            raise VenueUnreachable("timeout")
        return self.take(request)

    async def cancel(self, _pair: str, client_order_id: str) -> VenueOrder:
        order = structs.replace(self.orders[client_order_id], status="cancelled")
        self.orders[client_order_id] = order
        return order

    async def order(self, pair: str, client_order_id: str) -> VenueOrder | None:
        self.lookups[client_order_id] += 1
        return await super().order(pair, client_order_id)

    async def updates(self) -> AsyncIterator[UserUpdate]:
        await asyncio.Event().wait()
        yield  # type: ignore[misc]  # never reached


def test_outcomes_that_stay_unknown_hold_up_new_orders_and_nothing_else(
    migrated: Callable[[], Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor are they asked for without a pause; so many were, at the same rate, for ever."""
    quick = structs.replace(QUICK, in_flight_max=4, retrying_max=8, retry_max_seconds=60.0)
    monkeypatch.setattr(staging, "QUICK", quick)
    venue = Silent()
    with stage(migrated()) as on:
        resting = on.place("resting")
        on.run_until(serving({"paper": venue}), lambda: on.order(resting).status == "open")
        lost = [on.place(f"lost {number}") for number in range(16)]

        said, asked_often = False, 4

        def is_cancelled() -> bool:
            nonlocal said
            unknown = [name for name in lost if on.order(name).status == "unknown"]
            if len(unknown) < quick.retrying_max:
                return False
            if not said and min(venue.lookups[name] for name in unknown) > asked_often:
                on.say(stream(resting), CancelOrder(), "cancel")
                said = True
            return on.order(resting).status == "cancelled"

        state = on.run_until(serving({"paper": venue}), is_cancelled)
        assert Counter(on.order(name).status for name in lost) == {"unknown": 8, "requested": 8}
        assert state == "too many unknown outcomes: master_account/paper"
        assert max(venue.lookups.values()) < 2 * min(venue.lookups.values())


class Deaf(Ledger):
    """Takes orders, and nobody hears of it."""

    async def place(self, request: OrderRequest) -> VenueOrder:
        self.take(request)
        raise VenueUnreachable("timeout")

    async def order(self, _pair: str, _client_order_id: str) -> VenueOrder | None:
        raise VenueUnreachable("timeout")


def test_the_account_of_another_credential_proves_nothing_about_an_order(
    migrated: Callable[[], Database],
) -> None:
    """Sent again with it, the order would stand at both."""
    venues = {"s1": Deaf(), "s2": Ledger()}

    def make_venue(connector: str, _account: str, credential: Mapping[str, str]) -> Ledger:
        if connector != "binance":
            raise LookupError(connector)
        return venues[credential["key"]]

    with stage(migrated()) as on:
        on.accept_credential("binance", "s1")
        name = on.place("lost", "binance")
        on.run_until(make_venue, lambda: on.order(name).status == "unknown")
        on.accept_credential("binance", "s2")
        sent_at = time.monotonic()
        on.run_until(make_venue, lambda: time.monotonic() > sent_at + 4 * QUICK.window_seconds)
        assert on.order(name).status == "unknown"
        assert (venues["s1"].placed, venues["s2"].placed) == ([name], [])

        on.say(stream(name), AllowResend(), "resend")
        on.run_until(make_venue, lambda: on.order(name).status == "open")
        assert (venues["s1"].placed, venues["s2"].placed) == ([name], [name])
