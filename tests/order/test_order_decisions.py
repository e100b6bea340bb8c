from decimal import Decimal

import pytest
from msgspec import structs

from domain.events import Event
from domain.order import ATTEMPTS_MAX
from domain.order_messages import (
    CancelOrder,
    Command,
    DispatchOrder,
    OrderAccepted,
    OrderCancelled,
    OrderDispatched,
    OrderExpired,
    OrderFound,
    OrderNotAtVenue,
    OrderOutcomeUnknown,
    OrderRevived,
    OrderUndeliverable,
    RecordAccepted,
    RecordClosed,
    RecordNotFound,
    RecordRejected,
    RecordUnknown,
)
from tests.given import fold, given
from tests.messages import (
    ACCEPTED,
    ACCOUNT,
    CANCEL_REQUESTED,
    CANCELLED,
    DISPATCHED,
    EXPIRED,
    FOUND,
    NOT_AT_VENUE,
    PLACE,
    PLACED,
    REJECTED,
    SEND_BY,
    UNKNOWN,
    WITHDRAWN,
    fill_of,
    filled,
)

SENT = (PLACED, DISPATCHED)
OPEN = (PLACED, DISPATCHED, ACCEPTED)
LOST = (PLACED, DISPATCHED, UNKNOWN)


def test_an_order_is_placed() -> None:
    given().guarded_by(*ACCOUNT).when(PLACE).then(PLACED)


def test_a_market_order_is_placed_without_a_price() -> None:
    market = structs.replace(PLACE, order_type="MARKET", price=None)
    placed = structs.replace(PLACED, order_type="MARKET", price=None)
    given().guarded_by(*ACCOUNT).when(market).then(placed)


def test_no_order_on_an_account_that_does_not_exist() -> None:
    given().when(PLACE).refused("unknown_account")


def test_no_order_on_a_connector_that_the_account_lacks() -> None:
    given().guarded_by(ACCOUNT[0]).when(PLACE).refused("unknown_connector")


def test_an_order_exists_once() -> None:
    given(PLACED).guarded_by(*ACCOUNT).when(PLACE).refused("order_exists")


def test_an_order_that_was_filled_meanwhile_is_not_placed_again() -> None:
    given(*OPEN, filled("t1", "1.0")).guarded_by(*ACCOUNT).when(PLACE).refused("order_exists")


def test_a_market_order_takes_no_price() -> None:
    given().guarded_by(*ACCOUNT).when(structs.replace(PLACE, order_type="MARKET")).refused(
        "price_not_allowed"
    )


@pytest.mark.parametrize("order_type", ["LIMIT", "LIMIT_MAKER"])
def test_a_limit_order_needs_a_price(order_type: str) -> None:
    command = structs.replace(PLACE, order_type=order_type, price=None)
    given().guarded_by(*ACCOUNT).when(command).refused("price_required")


@pytest.mark.parametrize(
    "command",
    [
        CancelOrder(),
        DispatchOrder(1, 7, SEND_BY),
        RecordAccepted("x1"),
        RecordRejected("-1", "no", 1),
        fill_of("t1", "1"),
        RecordClosed("cancelled", ""),
        RecordUnknown("timeout", 1),
        RecordNotFound(1),
    ],
)
def test_an_order_that_was_never_placed_is_unknown(command: Command) -> None:
    given().when(command).refused("unknown_order")


def test_an_order_cancelled_before_its_dispatch_never_leaves() -> None:
    given(PLACED).when(CancelOrder()).then(CANCEL_REQUESTED, WITHDRAWN)


def test_an_order_cancelled_between_two_attempts_never_leaves_again() -> None:
    given(*SENT, NOT_AT_VENUE).when(CancelOrder()).then(CANCEL_REQUESTED, WITHDRAWN)


@pytest.mark.parametrize("history", [SENT, LOST, OPEN, (*OPEN, filled("t1", "0.4"))])
def test_a_cancellation_is_requested(history: tuple[Event, ...]) -> None:
    given(*history).when(CancelOrder()).then(CANCEL_REQUESTED)


@pytest.mark.parametrize(
    "history",
    [
        (*SENT, CANCEL_REQUESTED),
        (*OPEN, CANCEL_REQUESTED),
        (*LOST, CANCEL_REQUESTED),
        (PLACED, CANCEL_REQUESTED, WITHDRAWN),
        (*OPEN, CANCELLED),
    ],
)
def test_a_cancellation_is_requested_once(history: tuple[Event, ...]) -> None:
    given(*history).when(CancelOrder()).then_nothing()


@pytest.mark.parametrize(
    "history", [(*OPEN, filled("t1", "1.0")), (*SENT, REJECTED), (*OPEN, EXPIRED)]
)
def test_a_closed_order_cannot_be_cancelled(history: tuple[Event, ...]) -> None:
    given(*history).when(CancelOrder()).refused("order_closed")


def test_an_order_is_dispatched() -> None:
    given(PLACED).when(DispatchOrder(1, 7, SEND_BY)).then(DISPATCHED)


def test_an_order_that_is_not_at_the_venue_is_dispatched_again() -> None:
    given(*SENT, NOT_AT_VENUE).when(DispatchOrder(2, 8, SEND_BY)).then(
        OrderDispatched(2, 8, SEND_BY)
    )


@pytest.mark.parametrize("attempt", [0, 2, 3])
def test_attempts_are_counted_one_by_one(attempt: int) -> None:
    given(PLACED).when(DispatchOrder(attempt, 7, SEND_BY)).refused("not_dispatchable")


def test_the_same_attempt_is_not_dispatched_twice() -> None:
    given(*SENT, NOT_AT_VENUE).when(DispatchOrder(1, 7, SEND_BY)).refused("not_dispatchable")


@pytest.mark.parametrize(
    "history", [SENT, LOST, OPEN, (PLACED, CANCEL_REQUESTED, WITHDRAWN), (PLACED, ACCEPTED)]
)
def test_an_order_that_moved_meanwhile_is_not_dispatched(history: tuple[Event, ...]) -> None:
    given(*history).when(DispatchOrder(1, 7, SEND_BY)).refused("not_dispatchable")
    given(*history).when(DispatchOrder(2, 7, SEND_BY)).refused("not_dispatchable")


def test_an_acknowledgement_is_recorded() -> None:
    given(*SENT).when(RecordAccepted("x1")).then(ACCEPTED)


def test_an_acknowledgement_of_an_unknown_outcome_is_a_find() -> None:
    given(*LOST).when(RecordAccepted("x1")).then(FOUND)


@pytest.mark.parametrize("known", [ACCEPTED, FOUND])
def test_an_acknowledgement_counts_once(known: OrderAccepted | OrderFound) -> None:
    given(*SENT, known).when(RecordAccepted("x1")).then_nothing()


def test_an_acknowledgement_after_the_first_fill_is_recorded() -> None:
    given(*SENT, filled("t1", "0.4")).when(RecordAccepted("x1")).then(ACCEPTED)


def test_a_rejection_is_recorded() -> None:
    given(*SENT).when(RecordRejected("-2010", "insufficient balance", 1)).then(REJECTED)


def test_a_rejection_ends_an_unknown_outcome() -> None:
    given(*LOST).when(RecordRejected("-2010", "insufficient balance", 1)).then(REJECTED)


def test_a_rejection_counts_once() -> None:
    given(*SENT, REJECTED).when(RecordRejected("-2010", "again", 1)).then_nothing()


def test_a_rejection_of_an_older_attempt_says_nothing() -> None:
    second = OrderDispatched(2, 7, SEND_BY)
    given(*SENT, NOT_AT_VENUE, second).when(RecordRejected("-1", "late", 1)).then_nothing()


def test_a_rejection_of_an_order_that_is_there_says_nothing() -> None:
    given(*OPEN).when(RecordRejected("-1", "duplicate", 1)).then_nothing()


@pytest.mark.parametrize(
    "history",
    [SENT, LOST, OPEN, (*OPEN, CANCELLED), (PLACED,), (*OPEN, EXPIRED)],
)
def test_a_fill_is_recorded_whatever_came_before(history: tuple[Event, ...]) -> None:
    given(*history).when(fill_of("t1", "0.4")).then(filled("t1", "0.4"))


def test_a_fill_of_a_rejected_order_shows_that_it_lives() -> None:
    given(*SENT, REJECTED).when(fill_of("t1", "0.4")).then(
        filled("t1", "0.4"), OrderRevived(Decimal("1.0"), Decimal("0.4"))
    )


def test_a_rejected_order_that_was_filled_in_full_does_not_live() -> None:
    given(*SENT, REJECTED).when(fill_of("t1", "1.0")).then(filled("t1", "1.0"))


def test_a_resent_trade_counts_once() -> None:
    given(*OPEN, filled("t1", "0.4")).when(fill_of("t1", "0.4")).then_nothing()


def test_a_resent_trade_with_other_numbers_counts_once() -> None:
    given(*OPEN, filled("t1", "0.4")).when(fill_of("t1", "0.5")).then_nothing()


def test_a_fill_beyond_the_quantity_is_recorded() -> None:
    given(*OPEN, filled("t1", "1.0")).when(fill_of("t2", "0.5")).then(filled("t2", "0.5"))


def test_a_cancellation_by_the_venue_is_recorded() -> None:
    given(*OPEN).when(RecordClosed("cancelled", "self trade")).then(
        OrderCancelled("self trade", "venue")
    )


def test_a_cancellation_that_we_asked_for_is_ours() -> None:
    given(*OPEN, CANCEL_REQUESTED).when(RecordClosed("cancelled", "")).then(CANCELLED)


def test_an_expiry_is_recorded() -> None:
    given(*OPEN, CANCEL_REQUESTED).when(RecordClosed("expired", "GTD")).then(OrderExpired("GTD"))


@pytest.mark.parametrize("end", [CANCELLED, EXPIRED, REJECTED, filled("t1", "1.0")])
def test_an_order_is_closed_once(end: Event) -> None:
    given(*SENT, end).when(RecordClosed("cancelled", "")).then_nothing()


def test_a_closure_before_the_acknowledgement_is_recorded() -> None:
    given(*SENT).when(RecordClosed("cancelled", "IOC")).then(OrderCancelled("IOC", "venue"))


def test_a_lost_answer_is_recorded_as_unknown() -> None:
    given(*SENT).when(RecordUnknown("timeout", 1)).then(OrderOutcomeUnknown("timeout", 1))


@pytest.mark.parametrize("history", [LOST, OPEN, (*SENT, REJECTED), (*SENT, NOT_AT_VENUE)])
def test_what_is_known_does_not_become_unknown(history: tuple[Event, ...]) -> None:
    given(*history).when(RecordUnknown("timeout", 1)).then_nothing()


def test_an_older_attempt_s_lost_answer_says_nothing() -> None:
    second = OrderDispatched(2, 7, SEND_BY)
    given(*SENT, NOT_AT_VENUE, second).when(RecordUnknown("late", 1)).then_nothing()


@pytest.mark.parametrize("history", [SENT, LOST])
def test_a_definite_not_there_is_recorded(history: tuple[Event, ...]) -> None:
    given(*history).when(RecordNotFound(1)).then(NOT_AT_VENUE)


def test_a_cancelled_order_that_is_not_there_is_withdrawn() -> None:
    given(*LOST, CANCEL_REQUESTED).when(RecordNotFound(1)).then(NOT_AT_VENUE, WITHDRAWN)


@pytest.mark.parametrize("history", [OPEN, (*SENT, NOT_AT_VENUE), (*SENT, REJECTED), (PLACED,)])
def test_not_there_says_nothing_about_an_order_that_is_settled(history: tuple[Event, ...]) -> None:
    given(*history).when(RecordNotFound(1)).then_nothing()


def test_not_there_of_an_older_attempt_says_nothing() -> None:
    second = OrderDispatched(2, 7, SEND_BY)
    given(*SENT, NOT_AT_VENUE, second).when(RecordNotFound(1)).then_nothing()


def tries(count: int) -> tuple[Event, ...]:
    """A history of so many dispatches, each of which is definitely not there."""
    return (
        PLACED,
        *(
            event
            for attempt in range(1, count + 1)
            for event in (OrderDispatched(attempt, 7, SEND_BY), OrderNotAtVenue(attempt))
        ),
    )


def test_after_the_last_attempt_an_order_is_undeliverable() -> None:
    last = OrderDispatched(ATTEMPTS_MAX, 7, SEND_BY)
    history = (*tries(ATTEMPTS_MAX - 1), last)
    given(*history).when(RecordNotFound(ATTEMPTS_MAX)).then(
        OrderNotAtVenue(ATTEMPTS_MAX), OrderUndeliverable(ATTEMPTS_MAX)
    )
    ended = (*history, OrderNotAtVenue(ATTEMPTS_MAX), OrderUndeliverable(ATTEMPTS_MAX))
    assert fold("order", ended).status == "rejected"
    given(*ended).when(DispatchOrder(ATTEMPTS_MAX + 1, 7, SEND_BY)).refused("not_dispatchable")


def test_before_the_last_attempt_an_order_may_be_sent_again() -> None:
    history = (*tries(ATTEMPTS_MAX - 2), OrderDispatched(ATTEMPTS_MAX - 1, 7, SEND_BY))
    given(*history).when(RecordNotFound(ATTEMPTS_MAX - 1)).then(OrderNotAtVenue(ATTEMPTS_MAX - 1))


def test_a_rejection_after_a_fill_says_nothing() -> None:
    given(*SENT, filled("t1", "0.4")).when(RecordRejected("-1", "no", 1)).then_nothing()
