"""What venues do to us: lost answers, spoilt streams, absences. The order's state ends up true.

One world for all of it: the last test judges whatever the others left behind.
"""

import contextlib
from collections.abc import Callable, Iterator
from decimal import Decimal
from http import HTTPStatus
from typing import Any

import pytest
from msgspec import Struct

from domain.order import Order, stream
from tests.faults.clients import HttpClient, Insistent
from tests.faults.intents import ACCOUNT, PAIR, Cancel, Place, market
from tests.faults.judge import differences, fold_orders, judge, read_log
from tests.faults.processes import until
from tests.faults.world import World, fresh_world
from tests.postgres_fixture import Database

pytestmark = [pytest.mark.faults, pytest.mark.postgres]

CLIENT_LIMIT_SECONDS = 5.0
"""After so long the venue's client gives up waiting for an answer."""
TOO_LATE = "request_expired"
"""Under load a request may come after its window's end and be made anew."""


class Desk(Struct):
    """The shared world, and what its tests ask of it."""

    world: World
    client: HttpClient
    sender: Insistent

    def faults(self, *rules: dict[str, Any]) -> None:
        self.world.venue.faults(*rules)

    def place(self, place: Place) -> str:
        return self.sender.send(place).order

    def cancel(self, order: str) -> None:
        self.sender.send(Cancel(f"cancel-{order}", order))

    def state(self, order: str) -> Order:
        return fold_orders(read_log(self.world.database.app_dsn))[order]

    def tags(self, order: str) -> list[str]:
        log = read_log(self.world.database.app_dsn)
        return [event.tag for event in log if event.stream == stream(order)]

    def settled(self, *orders: str) -> list[Order]:
        """Wait until log and venue agree about these, each at the venue at most once."""

        def agree() -> bool:
            states = fold_orders(read_log(self.world.database.app_dsn))
            ledger = self.world.ledger()
            return not differences({name: states[name] for name in orders}, ledger)

        until(agree, f"{orders} settle")
        ledger = self.world.ledger()
        assert all(ledger.accepted()[name] <= 1 for name in orders)
        return [self.state(name) for name in orders]

    def requests(self, order: str, kind: str = "place") -> list[str]:
        """What became of each request that reached the venue in time for this order."""
        rows = self.world.ledger().requests
        found = [
            row["outcome"]
            for row in rows
            if row["client_order_id"] == order and row["kind"] == kind
        ]
        assert "accepted" not in found or TOO_LATE not in found[found.index("accepted") :]
        return [outcome for outcome in found if outcome != TOO_LATE]

    def shown(self, order: str) -> dict[str, Any]:
        """The order as the API shows it; empty while it is not in the read model."""
        reply = self.client.call("POST", "/trading/orders/search", {"limit": 1000})
        assert reply.status == HTTPStatus.OK, reply
        return next((row for row in reply.body["data"] if row["order_id"] == order), {})


@pytest.fixture(scope="module")
def shared(
    tmp_path_factory: pytest.TempPathFactory,
    database: Callable[..., Database],
    template: Database,
) -> Iterator[Desk]:
    with fresh_world(tmp_path_factory.mktemp("venue"), database, template) as made:
        made.worker().start()
        made.door("api").start()
        client = HttpClient(made.door_port)
        desk = Desk(made, client, Insistent(client))
        desk.settled(desk.place(Place("first")))
        yield desk


@pytest.fixture
def desk(shared: Desk) -> Iterator[Desk]:
    yield shared
    with contextlib.suppress(OSError):
        shared.world.venue.test("DELETE", "faults")


@pytest.mark.parametrize("kind", ["lose_ack", "unavailable_after"])
def test_an_order_whose_answer_is_lost_is_found_and_not_sent_again(desk: Desk, kind: str) -> None:
    resting, filled = Place(f"{kind}-rests"), market(f"{kind}-fills")
    rule = {"kind": kind, "times": None}
    desk.faults(*(rule | {"client_order_id": one.order} for one in (resting, filled)))
    first, second = desk.settled(desk.place(resting), desk.place(filled))
    assert (first.status, second.status) == ("open", "filled")
    assert desk.requests(resting.order) == desk.requests(filled.order) == ["accepted"]
    assert "order.outcome_unknown.v1" in desk.tags(resting.order)


def test_answers_beyond_the_clients_patience_are_found_out_by_asking(desk: Desk) -> None:
    delayed, hung = Place("delayed"), Place("hung")
    late = CLIENT_LIMIT_SECONDS + 1
    desk.faults(
        {"kind": "delay_ack", "seconds": late, "client_order_id": delayed.order, "times": None},
        {"kind": "hang_ack", "client_order_id": hung.order, "times": None},
    )
    states = desk.settled(desk.place(delayed), desk.place(hung))
    assert [state.status for state in states] == ["open", "open"]
    assert desk.requests(delayed.order) == desk.requests(hung.order) == ["accepted"]


def test_what_never_arrived_is_sent_again_once_that_is_certain(desk: Desk) -> None:
    place = market("unavailable-before")
    desk.faults({"kind": "unavailable_before", "client_order_id": place.order})
    (state,) = desk.settled(desk.place(place))
    assert state.status == "filled"
    assert state.attempt >= 2
    assert desk.requests(place.order) == ["fault:unavailable_before", "accepted"]


def test_a_rejection_is_final_and_carries_the_venues_code(desk: Desk) -> None:
    place = Place("rejected")
    rule = {"kind": "reject", "code": "margin", "text": "not today"}
    desk.faults(rule | {"client_order_id": place.order})
    (state,) = desk.settled(desk.place(place))
    assert state.status == "rejected"
    until(lambda: desk.shown(place.order).get("status") == "FAILED", "the API says so")
    assert desk.shown(place.order)["error_message"] == "margin: not today"
    assert desk.requests(place.order) == ["fault:reject"]


def test_fills_told_often_and_in_any_order_count_once_each(desk: Desk) -> None:
    bought, sold = market("many-fills", 450_000), market("many-fills-back", 450_000, "SELL")
    for place in (bought, sold):
        chance = {"client_order_id": place.order, "times": None}
        desk.faults(
            chance | {"kind": "reorder_fill", "probability": 0.4, "seed": 1},
            chance | {"kind": "duplicate_fill", "probability": 0.8, "seed": 2},
        )
    for state in desk.settled(desk.place(bought), desk.place(sold)):
        assert (state.status, state.filled) == ("filled", Decimal(450_000))
        assert len(state.trades) >= 5


def test_a_fill_before_its_acknowledgement_counts(desk: Desk) -> None:
    place = market("fill-first")
    about = {"client_order_id": place.order, "times": None}
    desk.faults(about | {"kind": "delay_ack", "seconds": 3.0})
    (state,) = desk.settled(desk.place(place))
    assert state.status == "filled"
    until(lambda: desk.state(place.order).exchange_order_id, "the acknowledgement comes")
    tags = desk.tags(place.order)
    assert tags.index("order.filled.v1") < tags.index("order.accepted.v1")


def test_fills_that_the_stream_never_tells_are_asked_for(desk: Desk) -> None:
    taker, maker = market("untold"), Place("untold-maker", price=Decimal("1.0"))
    lost = {"kind": "lose_fill", "times": None}
    desk.faults(*(lost | {"client_order_id": place.order} for place in (taker, maker)))
    desk.settled(desk.place(taker), desk.place(maker))
    desk.world.venue.price("0.99")
    until(lambda: desk.state(maker.order).status == "filled", "the maker's fill is known")
    desk.world.venue.price(None)
    desk.settled(taker.order, maker.order)


@pytest.mark.parametrize("how", ["cancelled", "expired"])
def test_an_order_closed_by_the_venue_is_closed_here(desk: Desk, how: str) -> None:
    order = desk.place(Place(f"venue-{how}"))
    desk.settled(order)
    close = {"account": ACCOUNT, "pair": PAIR, "client_order_id": order}
    desk.world.venue.test("POST", "expire", close | {"status": how, "reason": "maintenance"})
    until(lambda: desk.state(order).status == how, f"the order is {how}")
    desk.settled(order)


def test_a_cancellation_whose_answer_is_lost_is_asked_for_again(desk: Desk) -> None:
    orders = [desk.place(Place(f"cancel-{number}")) for number in range(2)]
    desk.settled(*orders)
    for order, kind in zip(orders, ("lose_ack", "unavailable_before"), strict=True):
        desk.faults({"kind": kind, "request": "cancel", "client_order_id": order})
        desk.cancel(order)
    for state in desk.settled(*orders):
        assert state.status == "cancelled"


def test_a_fill_that_outruns_the_cancellation_wins(desk: Desk) -> None:
    order = desk.place(Place("race", price=Decimal("1.0")))
    desk.settled(order)
    rule = {"kind": "unavailable_before", "request": "cancel", "times": None}
    desk.faults(rule | {"client_order_id": order})
    desk.cancel(order)
    until(lambda: desk.requests(order, "cancel"), "the cancellation is tried")
    desk.world.venue.price("0.99")
    until(lambda: desk.state(order).status == "filled", "the fill is known")
    desk.world.venue.price(None)
    desk.settled(order)


def test_while_the_venue_is_down_orders_wait_and_say_so(desk: Desk) -> None:
    desk.faults({"kind": "down"})
    orders = [desk.place(Place(f"down-{number}")) for number in range(3)]
    until(lambda: desk.shown(orders[0]).get("outcome") == "unknown", "the outcome is unknown")
    shown = desk.shown(orders[0])
    assert (shown["status"], shown["unknown_seconds"] >= 0) == ("SUBMITTED", True)
    desk.world.venue.test("DELETE", "faults")
    for state in desk.settled(*orders):
        assert state.status == "open"


def test_a_venue_killed_before_its_answer_leaves_the_outcome_unknown_until_it_is_back(
    desk: Desk,
) -> None:
    placed, never = Place("killed-after"), Place("killed-before")
    desk.faults({"kind": "hang_ack", "client_order_id": placed.order, "times": None})
    desk.place(placed)
    until(lambda: "accepted" in desk.requests(placed.order), "the venue has the order")
    desk.world.venue.kill()
    desk.place(never)
    both = (placed.order, never.order)
    until(
        lambda: all(desk.shown(order).get("outcome") == "unknown" for order in both),
        "both outcomes are unknown",
    )
    assert desk.shown(placed.order)["unknown_seconds"] >= 0
    assert desk.shown(placed.order)["status"] == "SUBMITTED"
    desk.world.venue.start()
    states = desk.settled(placed.order, never.order)
    assert [state.status for state in states] == ["open", "open"]
    assert desk.requests(placed.order) == ["accepted"]
    until(lambda: desk.shown(placed.order)["unknown_seconds"] is None, "the API knows it too")


def test_after_all_of_this_log_rows_and_venue_agree(desk: Desk) -> None:
    judge(desk.world, desk.sender)
