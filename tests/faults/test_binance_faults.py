"""What an exchange does to us, on Binance's wire and through the adapter of real venues.

One world for all of it: the last test judges whatever the others left behind.
"""

import contextlib
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from msgspec import Struct

from domain.order import Order, stream
from tests.faults.binance_world import NAME, BinanceWorld, binance_world
from tests.faults.clients import HttpClient, Insistent
from tests.faults.intents import BINANCE, Cancel, Place, market, resting
from tests.faults.judge import differences, fold_orders, judge, read_log
from tests.faults.processes import Process, until
from tests.faults.world import SEND_WINDOW_SECONDS
from tests.postgres_fixture import Database

pytestmark = [pytest.mark.faults, pytest.mark.postgres]
SYMBOL = "BTCUSDT"
CANCELS = "DELETE /*/order"
TOO_LATE = "-1021"
"""Under load a request may come after its window's end and be made anew."""


class Scene(Struct):
    world: BinanceWorld
    worker: Process
    client: HttpClient
    sender: Insistent

    def place(self, place: Place) -> str:
        return self.sender.send(place).order

    def rests(self, key: str) -> str:
        """An order that rests at the exchange and that we know of."""
        order = self.place(resting(key, BINANCE))
        self.settled(order)
        return order

    def buys(self, key: str) -> Place:
        return market(key, BINANCE.quantity)

    def cancel(self, order: str) -> None:
        self.sender.send(Cancel(f"cancel-{order}", order))

    def state(self, order: str) -> Order:
        return fold_orders(read_log(self.world.database.app_dsn))[order]

    def tags(self, order: str) -> list[str]:
        log = read_log(self.world.database.app_dsn)
        return [event.tag for event in log if event.stream == stream(order)]

    def settled(self, *orders: str) -> list[Order]:
        """Wait until log and exchange agree about these, each there at most once."""

        def disagree() -> list[str]:
            states = fold_orders(read_log(self.world.database.app_dsn))
            return differences({name: states[name] for name in orders}, self.world.ledger())

        until(lambda: not disagree(), f"{orders} settle")
        accepted = self.world.ledger().accepted()
        assert all(accepted[name] <= 1 for name in orders)
        return [self.state(name) for name in orders]

    def requests(self, order: str, kind: str = "place") -> list[str]:
        """What became of each request that reached the exchange for this order."""
        return [
            row["outcome"]
            for row in self.world.ledger().requests
            if row["client_order_id"] == order and row["kind"] == kind
        ]

    def fill(self, order: str, **options: Any) -> None:
        self.world.exchange.control("fill", account=NAME, client_order_id=order, **options)


@pytest.fixture(scope="module")
def shared(
    tmp_path_factory: pytest.TempPathFactory,
    database: Callable[..., Database],
    template: Database,
) -> Iterator[Scene]:
    with binance_world(tmp_path_factory.mktemp("binance"), database, template) as made:
        worker = made.worker().start()
        made.door("api").start()
        made.add_credential()
        client = HttpClient(made.door_port, ground=BINANCE)
        yield Scene(made, worker, client, Insistent(client))


@pytest.fixture
def scene(shared: Scene) -> Iterator[Scene]:
    yield shared
    with contextlib.suppress(OSError):
        shared.world.faults()


@pytest.mark.parametrize("kind", ["lose_ack", "hang_ack", "unavailable_after"])
def test_an_order_whose_answer_is_lost_is_found_and_not_sent_again(scene: Scene, kind: str) -> None:
    rests, fills = resting(f"{kind}-rests", BINANCE), scene.buys(f"{kind}-fills")
    rule = {"kind": kind, "times": None}
    scene.world.faults(*(rule | {"client_order_id": one.order} for one in (rests, fills)))
    first, second = scene.settled(scene.place(rests), scene.place(fills))
    assert (first.status, second.status) == ("open", "filled")
    for order in (rests.order, fills.order):
        assert scene.requests(order)[-1] == "accepted"
        assert set(scene.requests(order)[:-1]) <= {TOO_LATE}


def test_an_order_that_lookups_do_not_show_yet_is_not_sent_again(scene: Scene) -> None:
    place = scene.buys("slow-lookup")
    about = {"client_order_id": place.order}
    scene.world.faults(
        {"kind": "lose_ack", "times": None} | about,
        {"kind": "lookup_lag", "seconds": SEND_WINDOW_SECONDS, "times": None} | about,
        {"kind": "lose_message", "times": None} | about,
    )
    (state,) = scene.settled(scene.place(place))
    assert state.status == "filled"
    assert scene.requests(place.order)[-1] == "accepted"
    assert set(scene.requests(place.order)[:-1]) <= {TOO_LATE}


def test_what_never_arrived_is_sent_again_once_that_is_certain(scene: Scene) -> None:
    place = scene.buys("unavailable-before")
    scene.world.faults({"kind": "unavailable_before", "client_order_id": place.order})
    (state,) = scene.settled(scene.place(place))
    assert state.status == "filled"
    assert state.attempt >= 2
    assert scene.requests(place.order)[-1] == "accepted"


def test_a_request_held_in_the_network_dies_by_its_own_window(scene: Scene) -> None:
    place = scene.buys("held")
    late = SEND_WINDOW_SECONDS + 1.0
    scene.world.faults({"kind": "hold", "seconds": late, "client_order_id": place.order})
    (state,) = scene.settled(scene.place(place))
    assert state.status == "filled"
    assert state.attempt >= 2
    *before, last = scene.requests(place.order)
    assert (set(before), last) == ({TOO_LATE}, "accepted")


def test_an_exchange_that_wants_fewer_requests_gets_the_order_later(scene: Scene) -> None:
    place = scene.buys("banned")
    ban = {"kind": "unavailable_before", "status": 429, "code": -1003, "text": "Too many requests"}
    scene.world.faults(ban | {"client_order_id": place.order})
    (state,) = scene.settled(scene.place(place))
    assert state.status == "filled"


def test_a_rejection_is_final_and_carries_the_exchanges_words(scene: Scene) -> None:
    place = resting("rejected", BINANCE)
    text = "Account has insufficient balance for requested action."
    rule = {"kind": "reject", "code": -2010, "text": text}
    scene.world.faults(rule | {"client_order_id": place.order})
    (state,) = scene.settled(scene.place(place))
    assert state.status == "rejected"
    assert len([each for each in scene.requests(place.order) if each != TOO_LATE]) == 1


def test_fills_told_often_out_of_order_or_not_at_all_count_once_each(scene: Scene) -> None:
    order = scene.rests("many-fills")
    chance = {"client_order_id": order, "execution": "TRADE", "times": None}
    scene.world.faults(
        chance | {"kind": "duplicate_message", "probability": 0.3, "seed": 1},
        chance | {"kind": "reorder_message", "probability": 0.3, "seed": 2},
        chance | {"kind": "lose_message", "probability": 0.2, "seed": 3},
    )
    scene.fill(order, quantity="0.00001", count=100)
    (state,) = scene.settled(order)
    assert (state.status, state.filled, len(state.trades)) == ("filled", BINANCE.quantity, 100)


def test_fills_while_the_stream_is_cut_are_asked_for(scene: Scene) -> None:
    order = scene.rests("cut")
    scene.world.exchange.control("cut", account=NAME)
    scene.fill(order)
    (state,) = scene.settled(order)
    assert state.status == "filled"


def test_an_order_that_the_exchange_ends_is_ended_here(scene: Scene) -> None:
    order = scene.rests("ended")
    scene.world.exchange.control("cancel", account=NAME, client_order_id=order)
    (state,) = scene.settled(order)
    assert state.status == "cancelled"


def test_a_cancellation_whose_answer_is_lost_is_asked_for_again(scene: Scene) -> None:
    orders = [scene.rests(f"cancel-{number}") for number in range(2)]
    for order, kind in zip(orders, ("lose_ack", "unavailable_before"), strict=True):
        scene.world.faults({"kind": kind, "request": CANCELS, "client_order_id": order})
        scene.cancel(order)
        (state,) = scene.settled(order)
        assert state.status == "cancelled"


def test_a_fill_that_outruns_the_cancellation_wins(scene: Scene) -> None:
    order = scene.rests("race")
    scene.world.faults({"kind": "unavailable_before", "request": CANCELS, "times": None})
    scene.cancel(order)
    until(lambda: scene.requests(order, "cancel"), "the cancellation is tried")
    scene.fill(order)
    (state,) = scene.settled(order)
    assert state.status == "filled"


def test_a_partly_filled_order_that_is_cancelled_keeps_what_it_filled(scene: Scene) -> None:
    order = scene.rests("partly")
    scene.fill(order, quantity="0.0004")
    scene.cancel(order)
    (state,) = scene.settled(order)
    assert (state.status, state.filled) == ("cancelled", Decimal("0.0004"))


def test_while_the_exchange_is_away_orders_wait(scene: Scene) -> None:
    scene.world.faults({"kind": "down", "seconds": 3.0})
    orders = [scene.place(scene.buys(f"down-{number}")) for number in range(3)]
    assert [state.status for state in scene.settled(*orders)] == ["filled"] * 3


def test_an_exchange_killed_before_its_answer_leaves_no_order_in_doubt(scene: Scene) -> None:
    placed, never = resting("killed-after", BINANCE), resting("killed-before", BINANCE)
    scene.world.faults({"kind": "hang_ack", "client_order_id": placed.order, "times": None})
    scene.place(placed)
    until(lambda: "accepted" in scene.requests(placed.order), "the exchange has the order")
    scene.world.exchange.kill()
    scene.place(never)
    until(lambda: scene.state(never.order).status == "unknown", "its outcome is unknown")
    scene.world.exchange.start()
    states = scene.settled(placed.order, never.order)
    assert [state.status for state in states] == ["open", "open"]


def test_what_happened_while_no_dispatcher_ran_is_found(scene: Scene) -> None:
    filled, partly, ended = (scene.rests(f"alone-{number}") for number in range(3))
    scene.worker.kill()
    scene.fill(filled)
    scene.fill(partly, quantity="0.0003")
    scene.world.exchange.control("cancel", account=NAME, client_order_id=ended)
    waits = scene.place(scene.buys("alone-waits"))
    scene.worker.start()
    states = scene.settled(filled, partly, ended, waits)
    assert [state.status for state in states] == ["filled", "open", "cancelled", "filled"]
    assert states[1].filled == Decimal("0.0003")


def test_a_credential_replaced_in_the_middle_loses_and_doubles_nothing(scene: Scene) -> None:
    rests = scene.rests("before-the-change")
    before = [scene.place(scene.buys(f"change-{number}")) for number in range(10)]
    scene.world.exchange.control("revoke", account=NAME)
    scene.world.add_credential()
    after = [scene.place(scene.buys(f"changed-{number}")) for number in range(10)]
    scene.fill(rests)
    states = scene.settled(rests, *after)
    assert {state.status for state in states} == {"filled"}
    # Those that met the worthless key were turned down; none was lost sight of.
    assert {state.status for state in scene.settled(*before)} <= {"filled", "rejected"}


def test_after_all_of_this_log_rows_and_exchange_agree(scene: Scene) -> None:
    judge(scene.world, scene.sender)
