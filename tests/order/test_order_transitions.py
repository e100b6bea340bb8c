"""Every status against every event: what is not in the table leaves the status alone."""

from decimal import Decimal
from itertools import product
from typing import get_args

import pytest

from domain.events import Event
from domain.order import TERMINAL, Order, Status, evolve, next_status
from domain.order_messages import (
    CancelRequested,
    OrderAccepted,
    OrderCancelled,
    OrderDispatched,
    OrderExpired,
    OrderFilled,
    OrderFound,
    OrderNotAtVenue,
    OrderOutcomeUnknown,
    OrderPlaced,
    OrderRejectedByVenue,
    OrderUndeliverable,
    OrderWithdrawn,
)
from domain.order_messages import Event as OrderEvent
from tests.given import fold
from tests.messages import (
    ACCEPTED,
    CANCELLED,
    DISPATCHED,
    EXPIRED,
    FOUND,
    NOT_AT_VENUE,
    PLACED,
    REJECTED,
    SAMPLES,
    UNDELIVERABLE,
    UNKNOWN,
    filled,
)

LIVE: tuple[Status, ...] = ("requested", "dispatched", "unknown", "open")
TABLE: dict[tuple[Status, type[OrderEvent]], Status] = {
    ("new", OrderPlaced): "requested",
    ("requested", OrderDispatched): "dispatched",
    ("requested", OrderAccepted): "open",
    ("dispatched", OrderAccepted): "open",
    ("unknown", OrderAccepted): "open",
    ("requested", OrderFound): "open",
    ("dispatched", OrderFound): "open",
    ("unknown", OrderFound): "open",
    ("dispatched", OrderOutcomeUnknown): "unknown",
    ("dispatched", OrderNotAtVenue): "requested",
    ("unknown", OrderNotAtVenue): "requested",
    ("dispatched", OrderRejectedByVenue): "rejected",
    ("unknown", OrderRejectedByVenue): "rejected",
    ("requested", OrderUndeliverable): "rejected",
    ("requested", OrderWithdrawn): "cancelled",
    **{(status, OrderCancelled): "cancelled" for status in ("new", *LIVE, "expired")},
    **{(status, OrderExpired): "expired" for status in ("new", *LIVE, "cancelled")},
    ("requested", OrderFilled): "open",
    ("dispatched", OrderFilled): "open",
    ("unknown", OrderFilled): "open",
    ("rejected", OrderFilled): "open",
}
"""For a fill: one that leaves something to fill. A `new` order has no events but its placing."""

EVENTS = [event for event in SAMPLES.values() if isinstance(event, get_args(OrderEvent))]


@pytest.mark.parametrize(
    ("status", "event"),
    list(product(get_args(Status), EVENTS)),
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_every_status_meets_every_event(status: Status, event: OrderEvent) -> None:
    order = Order(status, quantity=Decimal(1))
    assert next_status(order, event) == TABLE.get((status, type(event)), status)


@pytest.mark.parametrize("status", [*LIVE, *TERMINAL])
def test_the_last_fill_fills_from_every_status(status: Status) -> None:
    order = Order(status, quantity=Decimal(1), filled=Decimal("0.6"))
    assert next_status(order, filled("t2", "0.4")) == "filled"
    assert next_status(order, filled("t2", "0.5")) == "filled"


def test_every_event_of_an_order_is_in_the_samples() -> None:
    assert {type(event) for event in EVENTS} == set(get_args(OrderEvent))


STORIES: dict[str, tuple[Status, tuple[Event, ...]]] = {
    "fill before acknowledgement": ("open", (PLACED, DISPATCHED, filled("t1", "0.4"))),
    "whole fill before acknowledgement": (
        "filled",
        (PLACED, DISPATCHED, filled("t1", "1.0"), ACCEPTED),
    ),
    "fill after cancellation": (
        "cancelled",
        (PLACED, DISPATCHED, ACCEPTED, CANCELLED, filled("t1", "0.4")),
    ),
    "last fill after cancellation": (
        "filled",
        (PLACED, DISPATCHED, ACCEPTED, CANCELLED, filled("t1", "1.0")),
    ),
    "fill after expiry": (
        "expired",
        (PLACED, DISPATCHED, ACCEPTED, EXPIRED, filled("t1", "0.4")),
    ),
    "fill after rejection": ("open", (PLACED, DISPATCHED, REJECTED, filled("t1", "0.4"))),
    "fill after undeliverable": (
        "open",
        (PLACED, DISPATCHED, NOT_AT_VENUE, UNDELIVERABLE, filled("t1", "0.4")),
    ),
    "acknowledgement after unknown": ("open", (PLACED, DISPATCHED, UNKNOWN, FOUND)),
    "fill after unknown": ("open", (PLACED, DISPATCHED, UNKNOWN, filled("t1", "0.4"))),
    "not found, sent again": (
        "dispatched",
        (PLACED, DISPATCHED, NOT_AT_VENUE, OrderDispatched(2, 7, 1)),
    ),
    "acknowledgement of an attempt that was given up": (
        "open",
        (PLACED, DISPATCHED, NOT_AT_VENUE, ACCEPTED),
    ),
    "cancellation of a filled order": (
        "filled",
        (PLACED, DISPATCHED, ACCEPTED, filled("t1", "1.0"), CANCELLED),
    ),
}


@pytest.mark.parametrize("story", STORIES)
def test_stories_end_as_they_should(story: str) -> None:
    status, history = STORIES[story]
    assert fold("order", history).status == status


def test_a_placed_order_is_what_was_asked_for() -> None:
    assert evolve(Order(), PLACED) == Order(
        "requested", "main", "paper", "BTC-USDT", "BUY", Decimal("1.0")
    )


def test_the_exchange_s_id_the_attempt_and_the_wish_to_cancel_are_remembered() -> None:
    order = fold("order", (PLACED, OrderDispatched(3, 7, 1), CancelRequested(), ACCEPTED))
    assert (order.attempt, order.exchange_order_id, order.is_cancel_requested) == (3, "x1", True)
