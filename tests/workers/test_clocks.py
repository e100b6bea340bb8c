"""Venues whose clock is not ours: a request's end is told in theirs."""

import time
from collections.abc import Callable

import pytest
from msgspec import structs

from adapters.venues.port import OrderRequest, VenueOrder, VenueRefused
from tests.postgres_fixture import Database
from tests.workers import stage as staging
from tests.workers.stage import QUICK, TRAITS, Ledger, serving, stage
from workers.dispatching.sending import MICROSECONDS

pytestmark = pytest.mark.postgres
MINUTE_US = 60_000_000
WINDOW_SECONDS = 20.0
"""Far from the minute by which clocks differ, and from what a busy machine takes to send."""


class Elsewhere(Ledger):
    """Its clock differs from ours by so much; what comes after its end is refused."""

    def __init__(self, ahead_us: int, *, has_request_expiry: bool = True) -> None:
        super().__init__(structs.replace(TRAITS, has_request_expiry=has_request_expiry))
        self.ahead_us = ahead_us
        self.asked = 0
        """How often it was asked for its time by somebody else."""
        self.lives: list[int] = []
        """How long each request had still to live when it came, in microseconds."""

    async def time_us(self) -> int:
        self.asked += 1
        return self.clock_us()

    def clock_us(self) -> int:
        return time.time_ns() // 1000 + self.ahead_us

    async def place(self, request: OrderRequest) -> VenueOrder:
        clock_us = self.clock_us() if self.traits.has_request_expiry else time.time_ns() // 1000
        self.lives.append(request.expires_at_us - clock_us)
        if self.lives[-1] <= 0:
            raise VenueRefused("request_expired", "too late")
        return self.take(request)


@pytest.mark.parametrize("ahead_us", [-MINUTE_US, 0, MINUTE_US])
@pytest.mark.parametrize("has_request_expiry", [True, False])
def test_orders_reach_a_venue_whose_clock_is_off_and_live_no_longer_there(
    migrated: Callable[[], Database],
    monkeypatch: pytest.MonkeyPatch,
    ahead_us: int,
    has_request_expiry: bool,
) -> None:
    monkeypatch.setattr(staging, "QUICK", structs.replace(QUICK, window_seconds=WINDOW_SECONDS))
    venue = Elsewhere(ahead_us, has_request_expiry=has_request_expiry)
    with stage(migrated()) as on:
        first = on.place("first")
        on.run_until(serving({"paper": venue}), lambda: on.order(first).status == "open")
        asked, later = venue.asked, list[str]()

        def is_done() -> bool:
            if venue.asked > asked and not later:
                later.append(on.place("second"))
            return bool(later) and on.order(later[0]).status == "open"

        on.run_until(serving({"paper": venue}), is_done)
        assert venue.placed == [first, *later]
        assert on.order(later[0]).attempt == 1
        assert 0 < venue.lives[-1] <= 1.5 * WINDOW_SECONDS * MICROSECONDS
