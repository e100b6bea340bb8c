"""Venues whose clock is not ours: a request's end is told in theirs."""

import time
from collections.abc import Callable

import pytest
from msgspec import structs

from adapters.venues.port import OrderRequest, VenueOrder, VenueRefused
from tests.postgres_fixture import Database
from tests.workers.stage import TRAITS, Ledger, serving, stage

pytestmark = pytest.mark.postgres
MINUTE_US = 60_000_000


class Elsewhere(Ledger):
    """Its clock differs from ours by so much; what comes after its end is refused."""

    def __init__(self, ahead_us: int, *, has_request_expiry: bool = True) -> None:
        super().__init__(structs.replace(TRAITS, has_request_expiry=has_request_expiry))
        self.ahead_us = ahead_us
        self.lives: list[int] = []
        """How long each request had still to live when it came, in microseconds."""

    async def time_us(self) -> int:
        return time.time_ns() // 1000 + self.ahead_us

    async def place(self, request: OrderRequest) -> VenueOrder:
        clock_us = (
            await self.time_us() if self.traits.has_request_expiry else time.time_ns() // 1000
        )
        self.lives.append(request.expires_at_us - clock_us)
        if self.lives[-1] <= 0:
            raise VenueRefused("request_expired", "too late")
        return self.take(request)


@pytest.mark.parametrize("ahead_us", [-MINUTE_US, 0, MINUTE_US])
@pytest.mark.parametrize("has_request_expiry", [True, False])
def test_orders_reach_a_venue_whose_clock_is_off_and_live_no_longer_there(
    migrated: Callable[[], Database], ahead_us: int, has_request_expiry: bool
) -> None:
    venue = Elsewhere(ahead_us, has_request_expiry=has_request_expiry)
    with stage(migrated()) as on:
        first = on.place("first")
        on.run_until(serving({"paper": venue}), lambda: on.order(first).status == "open")
        second = on.place("second")
        on.run_until(serving({"paper": venue}), lambda: on.order(second).status == "open")
        assert venue.placed == [first, second]
        assert on.order(second).attempt == 1
        assert 0 < venue.lives[-1] <= MINUTE_US / 60
