import pytest

from commands.request import Command
from domain.account import AccountOpened
from domain.credential import CredentialAccepted, CredentialDeleted, CredentialOffered
from domain.events import Event
from domain.perpetual import (
    LeverageRefused,
    LeverageRequested,
    LeverageSet,
    LeverageUnknown,
    PositionModeRefused,
    PositionModeRequested,
    PositionModeSet,
    PositionModeUnknown,
    RecordLeverageRefused,
    RecordLeverageSet,
    RecordLeverageUnknown,
    RecordPositionModeRefused,
    RecordPositionModeSet,
    RecordPositionModeUnknown,
    RequestLeverage,
    RequestPositionMode,
)
from tests.given import given

UNTIL = 1_700_000_060_000_000
PLACE = ("main", "binance_perpetual")
OPENED = AccountOpened("main")
OFFERED = CredentialOffered(*PLACE, "s1", "f1", 1)
ACCEPTED = CredentialAccepted("s1", can_trade=True, can_withdraw=False)
TRADES: tuple[Event, ...] = (OPENED, OFFERED, ACCEPTED)

ASKED = LeverageRequested(*PLACE, "BTC-USDT", 20, 1, None, UNTIL)
MODE_ASKED = PositionModeRequested(*PLACE, "HEDGE", 1, None, UNTIL)
LEVERAGE = RequestLeverage(*PLACE, "BTC-USDT", 20, UNTIL)
MODE = RequestPositionMode(*PLACE, "HEDGE", UNTIL)


def test_a_leverage_is_requested() -> None:
    given().guarded_by(*TRADES).when(LEVERAGE).then(ASKED)


def test_a_mode_is_requested() -> None:
    given().guarded_by(*TRADES).when(MODE).then(MODE_ASKED)


def test_requests_are_counted_whatever_they_ask() -> None:
    given(MODE_ASKED, PositionModeSet("HEDGE", 1)).guarded_by(*TRADES).when(LEVERAGE).then(
        LeverageRequested(*PLACE, "BTC-USDT", 20, 2, None, UNTIL)
    )


def test_a_later_request_takes_over_one_without_an_outcome() -> None:
    later = RequestLeverage(*PLACE, "BTC-USDT", 5, UNTIL)
    given(ASKED).guarded_by(*TRADES).when(later).then(
        LeverageRequested(*PLACE, "BTC-USDT", 5, 2, 1, UNTIL)
    )
    given(MODE_ASKED).guarded_by(*TRADES).when(RequestPositionMode(*PLACE, "ONEWAY", UNTIL)).then(
        PositionModeRequested(*PLACE, "ONEWAY", 2, 1, UNTIL)
    )


def test_requests_for_other_pairs_stand_beside_each_other() -> None:
    other = RequestLeverage(*PLACE, "ETH-USDT", 5, UNTIL)
    both = LeverageRequested(*PLACE, "ETH-USDT", 5, 2, None, UNTIL)
    given(ASKED).guarded_by(*TRADES).when(other).then(both)
    given(ASKED, both).when(RecordLeverageSet("BTC-USDT", 1)).then(LeverageSet("BTC-USDT", 20, 1))


@pytest.mark.parametrize("command", [LEVERAGE, MODE])
def test_nothing_is_set_for_an_account_that_there_is_not(command: Command) -> None:
    given().when(command).refused("unknown_account")


@pytest.mark.parametrize("command", [LEVERAGE, MODE])
@pytest.mark.parametrize(
    "guard",
    [
        (OPENED,),
        (OPENED, OFFERED),
        (*TRADES, CredentialDeleted(*PLACE, 1)),
    ],
    ids=["none", "not accepted yet", "deleted"],
)
def test_nothing_is_set_without_a_credential_in_force(
    command: Command, guard: tuple[Event, ...]
) -> None:
    given().guarded_by(*guard).when(command).refused("unknown_connector")


@pytest.mark.parametrize("leverage", [-1, 0, 126])
def test_a_leverage_has_limits(leverage: int) -> None:
    command = RequestLeverage(*PLACE, "BTC-USDT", leverage, UNTIL)
    given().guarded_by(*TRADES).when(command).refused("bad_leverage")


@pytest.mark.parametrize(
    ("asked", "command", "outcome"),
    [
        (ASKED, RecordLeverageSet("BTC-USDT", 1), LeverageSet("BTC-USDT", 20, 1)),
        (
            ASKED,
            RecordLeverageRefused("BTC-USDT", 1, "-4028", "no"),
            LeverageRefused("BTC-USDT", 1, "-4028", "no"),
        ),
        (
            ASKED,
            RecordLeverageUnknown("BTC-USDT", 1, "late"),
            LeverageUnknown("BTC-USDT", 1, "late"),
        ),
        (MODE_ASKED, RecordPositionModeSet(1), PositionModeSet("HEDGE", 1)),
        (
            MODE_ASKED,
            RecordPositionModeRefused(1, "-4068", "no"),
            PositionModeRefused(1, "-4068", "no"),
        ),
        (MODE_ASKED, RecordPositionModeUnknown(1, "late"), PositionModeUnknown(1, "late")),
    ],
)
def test_a_request_has_one_outcome(asked: Event, command: Command, outcome: Event) -> None:
    given(asked).when(command).then(outcome)
    given(asked, outcome).when(command).then_nothing()
    given().when(command).then_nothing()


@pytest.mark.parametrize(
    "command",
    [
        RecordLeverageSet("BTC-USDT", 1),
        RecordLeverageRefused("BTC-USDT", 1, "-4028", "no"),
        RecordLeverageUnknown("BTC-USDT", 1, "late"),
    ],
)
def test_the_outcome_of_a_replaced_request_says_nothing_of_the_later_one(command: Command) -> None:
    later = LeverageRequested(*PLACE, "BTC-USDT", 5, 2, 1, UNTIL)
    given(ASKED, later).when(command).then_nothing()
    given(ASKED, later).when(RecordLeverageSet("BTC-USDT", 2)).then(LeverageSet("BTC-USDT", 5, 2))
