"""Desks: made with the credential in force, for venues of every temper."""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from msgspec import structs

from adapters.venues.port import (
    Access,
    OrderRequest,
    VenueBusy,
    VenueOrder,
    VenueRefused,
    VenueUnreachable,
)
from domain import credential
from domain.account import AddConnector, OpenAccount
from domain.credential import DeleteCredential, OfferCredential
from tests.postgres_fixture import Database
from tests.workers import stage as staging
from tests.workers.stage import ACCOUNT, QUICK, TRAITS, Ledger, serving, stage
from workers.dispatching.desks import OPENINGS_MAX
from workers.running.pulse import Pulse

pytestmark = pytest.mark.postgres
CONNECTOR = "binance"


class Hangs(Ledger):
    """Keeps every placement waiting until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.go = asyncio.Event()
        self.was_closed_while_asked = False

    async def place(self, request: OrderRequest) -> VenueOrder:
        self.asked.append(request.client_order_id)
        await self.go.wait()
        self.was_closed_while_asked = self.is_closed
        return self.take(request)


def test_another_credential_makes_another_venue_once_the_calls_of_the_old_one_have_ended(
    migrated: Callable[[], Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    # A desk waits for its calls for a little longer than its lease.
    monkeypatch.setattr(staging, "QUICK", structs.replace(QUICK, lease_seconds=60.0))
    made: dict[str, Hangs] = {}

    def make_venue(connector: str, _account: str, fields: Mapping[str, str]) -> Any:
        if connector != CONNECTOR:
            raise LookupError(connector)
        made[fields["key"]] = Hangs()
        return made[fields["key"]]

    with stage(migrated()) as on:
        on.accept_credential(CONNECTOR, "old")
        first = on.place("first", CONNECTOR)
        later: list[str] = []
        offered: list[str] = []

        def is_done() -> bool:
            if "old" in made and made["old"].asked and not offered:
                on.accept_credential(CONNECTOR, "new")
                offered.append("new")
            if "new" in made and not later:
                later.append(on.place("later", CONNECTOR))
            if "new" in made and made["new"].asked:
                made["new"].go.set()
                made["old"].go.set()
            return "old" in made and made["old"].is_closed

        on.run_until(make_venue, is_done)
        assert made["old"].placed == [first]
        assert made["new"].placed == later
        assert not made["old"].was_closed_while_asked


def test_without_a_credential_orders_wait_and_the_worker_says_so(
    migrated: Callable[[], Database],
) -> None:
    venue, pulse = Ledger(), Pulse("dispatcher")
    with stage(migrated()) as on:
        on.accept_credential(CONNECTOR, "only")
        on.place("waits", CONNECTOR)
        gone = DeleteCredential(ACCOUNT, CONNECTOR)
        on.say(credential.stream(ACCOUNT, CONNECTOR), gone, "delete")
        sent, paper = on.place("goes"), Ledger()
        state = on.run_until(
            serving({CONNECTOR: venue, "paper": paper}),
            lambda: bool(paper.placed) and pulse.state not in ("starting", "running"),
            pulse,
        )
        assert (paper.placed, venue.placed) == ([sent], [])
        assert state == f"no credential: {ACCOUNT}/{CONNECTOR}"


class Away(Ledger):
    asked = 0

    async def access(self) -> Access:
        self.asked += 1
        raise VenueUnreachable("away")


def test_a_credential_that_waits_for_its_venue_makes_nobody_unready(
    migrated: Callable[[], Database],
) -> None:
    with stage(migrated()) as on:
        offer = OfferCredential(ACCOUNT, CONNECTOR, "waits", "print")
        on.say(credential.stream(ACCOUNT, CONNECTOR), offer, "offer")
        paper, away = Ledger(), Away()
        on.place("goes")
        state = on.run_until(
            serving({CONNECTOR: away, "paper": paper}),
            lambda: bool(paper.placed) and away.asked > 1,
        )
        assert state == "running"


def test_a_venue_that_hangs_holds_up_no_other(migrated: Callable[[], Database]) -> None:
    hangs, well = Hangs(), Ledger()
    with stage(migrated()) as on:
        on.accept_credential(CONNECTOR, "one")
        for number in range(QUICK.in_flight_max + 1):
            on.place(f"hangs {number}", CONNECTOR)
        later: list[str] = []

        def is_done() -> bool:
            if len(hangs.asked) == QUICK.in_flight_max and not later:
                later.append(on.place("goes"))
            return bool(well.placed)

        on.run_until(serving({CONNECTOR: hangs, "paper": well}), is_done)
        assert well.placed == later
        assert len(hangs.asked) == QUICK.in_flight_max


class Busy(Ledger):
    """Refuses to hear anything for a while, and counts who does not heed it."""

    def __init__(self) -> None:
        super().__init__()
        self.until: float | None = None
        self.unheeded = 0

    async def place(self, request: OrderRequest) -> VenueOrder:
        if self.until is None:
            self.until = time.monotonic() + 1.0
            raise VenueBusy("HTTP 429", 1.0)
        self.unheeded += time.monotonic() < self.until
        return self.take(request)


def test_a_venue_that_wants_fewer_requests_is_left_alone_for_as_long_as_it_says(
    migrated: Callable[[], Database],
) -> None:
    venue = Busy()
    with stage(migrated()) as on:
        first = on.place("first")
        later: list[str] = []

        def is_done() -> bool:
            if venue.until is not None and not later:
                later.append(on.place("later"))
            return len(venue.placed) > 1

        on.run_until(serving({"paper": venue}), is_done)
        assert sorted(venue.placed) == sorted([first, *later])
        assert venue.unheeded == 0


def test_without_a_private_stream_fills_are_found_by_asking(
    migrated: Callable[[], Database],
) -> None:
    venue = Ledger(structs.replace(TRAITS, has_user_stream=False))
    with stage(migrated()) as on:
        name = on.place("filled later")

        def is_done() -> bool:
            state = on.order(name)
            if state.status == "open" and not venue.trades:
                venue.fill(name)
            return state.status == "filled"

        on.run_until(serving({"paper": venue}), is_done)
        assert (venue.streams, on.order(name).trades) == (0, frozenset({"t0"}))


class NeverCompared(Ledger):
    """Never says what rests there."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    async def open_orders(self) -> tuple[VenueOrder, ...]:
        self.asked += 1
        await asyncio.Event().wait()
        return ()


def test_a_comparison_that_takes_for_ever_does_not_outlast_the_stop(
    migrated: Callable[[], Database],
) -> None:
    venue = NeverCompared()
    with stage(migrated()) as on:
        name = on.place("rests")
        on.run_until(
            serving({"paper": venue}),
            lambda: venue.asked > 0 and on.order(name).status == "open",
        )
        assert venue.is_closed


class Slow(Ledger):
    """Takes one request after the other, and none that has waited for too long."""

    def __init__(self) -> None:
        super().__init__()
        self._turn = asyncio.Lock()

    async def place(self, request: OrderRequest) -> VenueOrder:
        async with self._turn:
            if time.time_ns() // 1000 >= request.expires_at_us:
                raise VenueRefused("request_expired", "too late to be sent")
            await asyncio.sleep(QUICK.window_seconds / 10)
            return self.take(request)


def test_a_venue_slower_than_its_queue_is_sent_fewer_at_once(
    migrated: Callable[[], Database],
) -> None:
    venue = Slow()
    with stage(migrated()) as on:
        names = [on.place(f"order {number}") for number in range(QUICK.in_flight_max)]
        on.run_until(serving({"paper": venue}), lambda: len(venue.placed) == len(names))
        assert sorted(venue.placed) == sorted(names)


class Crowd:
    """Venues of many accounts, and how many of them are being compared at once."""

    def __init__(self) -> None:
        self.now = 0
        self.most = 0
        self.done = 0


class Compared(Ledger):
    def __init__(self, crowd: Crowd) -> None:
        super().__init__()
        self._crowd = crowd

    async def open_orders(self) -> tuple[VenueOrder, ...]:
        self._crowd.now += 1
        self._crowd.most = max(self._crowd.most, self._crowd.now)
        await asyncio.sleep(0.02)
        self._crowd.now -= 1
        self._crowd.done += 1
        return ()


def test_many_accounts_are_not_brought_up_to_date_all_at_once(
    migrated: Callable[[], Database],
) -> None:
    accounts, crowd = 5 * OPENINGS_MAX, Crowd()
    with stage(migrated()) as on:
        for number in range(accounts):
            name = f"account{number}"
            on.say(f"account-{name}", OpenAccount(name), f"open {name}")
            on.say(f"account-{name}", AddConnector(name, "paper"), f"add {name}")
        on.run_until(lambda *_: Compared(crowd), lambda: crowd.done > accounts)
        assert crowd.most <= OPENINGS_MAX
