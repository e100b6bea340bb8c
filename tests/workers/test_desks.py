"""Desks: made with the credential in force, for venues of every temper."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import pytest
from msgspec import structs

from adapters.venues.port import (
    OrderRequest,
    UserUpdate,
    VenueBusy,
    VenueOrder,
    VenueUnreachable,
)
from domain import credential
from domain.credential import DeleteCredential
from domain.order import stream
from domain.order_messages import AllowResend, CancelOrder
from tests.postgres_fixture import Database
from tests.workers.stage import ACCOUNT, QUICK, TRAITS, Ledger, serving, stage

pytestmark = pytest.mark.postgres
CONNECTOR = "binance"
UNPROVEN = structs.replace(TRAITS, has_request_expiry=False)


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
    migrated: Callable[[], Database],
) -> None:
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
    venue = Ledger()
    with stage(migrated()) as on:
        on.accept_credential(CONNECTOR, "only")
        on.place("waits", CONNECTOR)
        gone = DeleteCredential(ACCOUNT, CONNECTOR)
        on.say(credential.stream(ACCOUNT, CONNECTOR), gone, "delete")
        sent, paper = on.place("goes"), Ledger()
        state = on.run_until(
            serving({CONNECTOR: venue, "paper": paper}), lambda: bool(paper.placed)
        )
        assert (paper.placed, venue.placed) == ([sent], [])
        assert state == f"no credential: {ACCOUNT}/{CONNECTOR}"


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


def test_a_venue_with_shorter_names_tells_of_our_orders_all_the_same(
    migrated: Callable[[], Database],
) -> None:
    short = structs.replace(TRAITS, client_order_id_length_max=20, has_user_stream=False)
    venue = Ledger(short)
    with stage(migrated()) as on:
        name = on.place("filled later")
        on.run_until(serving({"paper": venue}), lambda: on.order(name).status == "open")
        venue.fill(name[:20])
        # Another process, which has not placed it.
        on.run_until(serving({"paper": venue}), lambda: on.order(name).status == "filled")
        assert venue.placed == [name[:20]]


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
