"""An order whose outcome nothing will ever prove, and somebody's word to send it again."""

import pytest

from domain.events import Event
from domain.order_messages import (
    AllowResend,
    OrderDispatched,
    OrderOutcomeUnknown,
    RecordNotFound,
    ResendAllowed,
)
from tests.given import given
from tests.messages import (
    ACCEPTED,
    CANCEL_REQUESTED,
    DISPATCHED,
    NOT_AT_VENUE,
    PLACED,
    RESEND_ALLOWED,
    SEND_BY,
    UNKNOWN,
    WITHDRAWN,
)

LOST = (PLACED, DISPATCHED, UNKNOWN)


def test_an_order_of_unknown_outcome_may_be_sent_again_on_somebodys_word() -> None:
    given(PLACED, DISPATCHED, UNKNOWN).when(AllowResend()).then(RESEND_ALLOWED)


def test_that_word_is_given_once_for_each_attempt() -> None:
    given(PLACED, DISPATCHED, UNKNOWN, RESEND_ALLOWED).when(AllowResend()).then_nothing()
    again = (NOT_AT_VENUE, OrderDispatched(2, 7, SEND_BY), OrderOutcomeUnknown("timeout", 2))
    history = (PLACED, DISPATCHED, UNKNOWN, RESEND_ALLOWED, *again)
    given(*history).when(AllowResend()).then(ResendAllowed(2))


@pytest.mark.parametrize("known", [(), (DISPATCHED,), (DISPATCHED, ACCEPTED)])
def test_an_order_whose_outcome_is_known_is_not_sent_again(known: tuple[Event, ...]) -> None:
    given(PLACED, *known).when(AllowResend()).refused("outcome_known")


def test_where_a_cancellation_is_wanted_the_order_ends_instead() -> None:
    history = (*LOST, CANCEL_REQUESTED, RESEND_ALLOWED)
    given(*history).when(RecordNotFound(1)).then(NOT_AT_VENUE, WITHDRAWN)


def test_there_is_no_word_about_an_order_that_was_never_placed() -> None:
    given().when(AllowResend()).refused("unknown_order")
