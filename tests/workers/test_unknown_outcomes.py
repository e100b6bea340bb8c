"""Venues where "not there" proves nothing: no order is sent again but on somebody's word."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from msgspec import structs

from adapters.venues.port import OrderRequest, UserUpdate, VenueOrder, VenueUnreachable
from domain.order import stream
from domain.order_messages import AllowResend, CancelOrder
from tests.postgres_fixture import Database
from tests.workers.stage import TRAITS, Ledger, serving, stage

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
