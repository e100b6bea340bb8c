import pytest

from domain.order_messages import CancelOrder, DispatchOrder
from domain.switch import EngageSwitch, LiftSwitch, SwitchEngaged, SwitchLifted
from tests.given import given
from tests.messages import (
    ACCOUNT,
    CANCEL_REQUESTED,
    DISPATCHED,
    PLACE,
    PLACED,
    SEND_BY,
    WITHDRAWN,
    close_of,
    fill_of,
    filled,
)

ALL = SwitchEngaged("*", "runaway")
MAIN = SwitchEngaged("main", "")


def test_the_switch_of_all_needs_no_account() -> None:
    given().when(EngageSwitch("*", "runaway")).then(ALL)


def test_the_switch_of_an_account_is_engaged() -> None:
    given().guarded_by(*ACCOUNT).when(EngageSwitch("main", "")).then(MAIN)


def test_there_is_no_switch_of_an_account_that_does_not_exist() -> None:
    given().when(EngageSwitch("main", "")).refused("unknown_account")


def test_engaging_again_changes_nothing() -> None:
    given(ALL).when(EngageSwitch("*", "another reason")).then_nothing()


def test_it_is_lifted_once() -> None:
    given(ALL).when(LiftSwitch("*", "fixed")).then(SwitchLifted("*", "fixed"))
    given(ALL, SwitchLifted("*", "fixed")).when(LiftSwitch("*", "")).then_nothing()
    given().when(LiftSwitch("*", "")).then_nothing()


def test_an_account_that_is_gone_can_still_be_lifted() -> None:
    given(MAIN).when(LiftSwitch("main", "")).then(SwitchLifted("main", ""))


def test_it_is_engaged_again_after_it_was_lifted() -> None:
    given(ALL, SwitchLifted("*", "")).when(EngageSwitch("*", "runaway")).then(ALL)


@pytest.mark.parametrize("engaged", [ALL, MAIN])
def test_nothing_is_placed_while_it_is_engaged(engaged: SwitchEngaged) -> None:
    given().guarded_by(*ACCOUNT, engaged).when(PLACE).refused("kill_switch")


def test_positions_are_not_closed_while_it_is_engaged() -> None:
    """Conservative: whoever stopped everything closes by hand, or lifts the switch first."""
    guards = (*ACCOUNT, MAIN)
    given().guarded_by(*guards).when(close_of("av1")).refused("kill_switch")


def test_another_account_s_switch_stops_nothing() -> None:
    given().guarded_by(*ACCOUNT, SwitchEngaged("other", "")).when(PLACE).then(PLACED)


def test_orders_are_placed_again_once_it_is_lifted() -> None:
    given().guarded_by(*ACCOUNT, ALL, SwitchLifted("*", "")).when(PLACE).then(PLACED)


@pytest.mark.parametrize("engaged", [ALL, MAIN])
def test_an_order_that_waits_is_not_sent(engaged: SwitchEngaged) -> None:
    dispatch = DispatchOrder(1, 7, SEND_BY, "main")
    given(PLACED).guarded_by(engaged).when(dispatch).refused("kill_switch")
    given(PLACED).guarded_by(SwitchEngaged("other", "")).when(dispatch).then(DISPATCHED)


def test_cancellations_and_what_venues_tell_pass() -> None:
    given(PLACED).guarded_by(ALL, MAIN).when(CancelOrder()).then(CANCEL_REQUESTED, WITHDRAWN)
    sent = given(PLACED, DISPATCHED).guarded_by(ALL, MAIN)
    sent.when(fill_of("t1", "0.4")).then(filled("t1", "0.4"))


def test_the_refusal_says_whose_switch_it_is_and_why() -> None:
    refused = given().guarded_by(*ACCOUNT, ALL).when(PLACE).result
    assert str(refused) == (
        "The kill switch is engaged for all accounts (runaway): nothing is placed until it is "
        "lifted."
    )
