"""Leverage and position mode, from the log to the venue and back."""

import time
from collections.abc import Callable

import pytest

from adapters.venues.port import VenueRefused, VenueUnreachable
from commands.codec import decode_recorded
from domain import perpetual
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
    RequestLeverage,
    RequestPositionMode,
)
from tests.folds import texts, texts_of_pure_fold
from tests.perpetual.venue import CONNECTOR, PerpetualLedger, run
from tests.workers.stage import ACCOUNT, PAIR, Stage, serving

pytestmark = pytest.mark.postgres
STREAM = perpetual.stream(ACCOUNT, CONNECTOR)


def until(seconds: float = 60.0) -> int:
    return time.time_ns() // 1000 + int(seconds * 1_000_000)


def ask_leverage(on: Stage, leverage: int, pair: str = PAIR, seconds: float = 60.0) -> None:
    command = RequestLeverage(ACCOUNT, CONNECTOR, pair, leverage, until(seconds))
    on.say(STREAM, command, f"{pair} {leverage}")


def ask_hedge(on: Stage, seconds: float = 60.0) -> None:
    on.say(STREAM, RequestPositionMode(ACCOUNT, CONNECTOR, "HEDGE", until(seconds)), "hedge")


def outcomes(on: Stage) -> list[Event]:
    events = [decode_recorded(recorded) for recorded in on.store.read_stream(STREAM)]
    return [e for e in events if not isinstance(e, LeverageRequested | PositionModeRequested)]


def settled(on: Stage, venue: PerpetualLedger, count: int = 1) -> list[Event]:
    on.run_until(serving({CONNECTOR: venue}), lambda: len(outcomes(on)) >= count)
    return outcomes(on)


def test_what_is_asked_for_is_set(on: Stage) -> None:
    venue = PerpetualLedger()
    ask_leverage(on, 20)
    ask_leverage(on, 5, "ETH-USD")
    ask_hedge(on)
    assert set(settled(on, venue, 3)) == {
        LeverageSet(PAIR, 20, 1),
        LeverageSet("ETH-USD", 5, 2),
        PositionModeSet("HEDGE", 3),
    }
    assert sorted(venue.leverages) == [("ETH-USD", 5), (PAIR, 20)]
    assert venue.modes == ["HEDGE"]


def test_what_the_venue_refuses_is_told_in_its_words(on: Stage) -> None:
    venue = PerpetualLedger()
    venue.errors["set_leverage"] = [VenueRefused("-4028", "Leverage 20 is not valid")]
    venue.errors["set_position_mode"] = [VenueRefused("-4068", "there is an open position")]
    ask_leverage(on, 20)
    ask_hedge(on)
    assert set(settled(on, venue, 2)) == {
        LeverageRefused(PAIR, 1, "-4028", "Leverage 20 is not valid"),
        PositionModeRefused(2, "-4068", "there is an open position"),
    }


def test_a_mode_that_the_venue_refuses_because_it_has_it_is_set(on: Stage) -> None:
    venue = PerpetualLedger()
    venue.mode = "HEDGE"
    refusal = VenueRefused("-4059", "No need to change position side.")
    venue.errors["set_position_mode"] = [refusal]
    ask_hedge(on)
    assert settled(on, venue) == [PositionModeSet("HEDGE", 1)]


def test_without_an_answer_it_is_asked_for_again(on: Stage) -> None:
    venue = PerpetualLedger()
    lost = VenueUnreachable("timed out")
    venue.errors = {"set_leverage": [lost, lost], "set_position_mode": [lost, lost, lost]}
    ask_leverage(on, 20)
    ask_hedge(on)
    assert set(settled(on, venue, 2)) == {LeverageSet(PAIR, 20, 1), PositionModeSet("HEDGE", 2)}
    assert (venue.leverages, venue.modes) == ([(PAIR, 20)], ["HEDGE"])


def test_a_request_that_is_too_old_is_given_up_and_never_sent(on: Stage) -> None:
    venue = PerpetualLedger()
    ask_leverage(on, 20, seconds=-1)
    ask_hedge(on, seconds=-1)
    assert {type(event) for event in settled(on, venue, 2)} == {
        LeverageUnknown,
        PositionModeUnknown,
    }
    assert (venue.leverages, venue.modes) == ([], [])


def test_a_request_that_has_no_answer_for_long_is_given_up(on: Stage) -> None:
    venue = PerpetualLedger()
    ask_leverage(on, 5, "ETH-USD")

    def ask() -> None:
        """When the dispatcher is at work: what is too old before it was sent is another matter."""
        venue.errors["set_leverage"] = [VenueUnreachable("timed out")] * 1000
        ask_leverage(on, 20, seconds=2)

    run(on, venue, lambda: len(outcomes(on)) == 1, ask, lambda: len(outcomes(on)) == 2)
    [_, unknown] = outcomes(on)
    assert isinstance(unknown, LeverageUnknown)
    assert "may have the setting or not" in unknown.reason


def test_of_two_requests_for_a_pair_the_later_one_holds(
    on: Stage, is_projected: Callable[[Stage], bool]
) -> None:
    venue = PerpetualLedger()
    ask_leverage(on, 20)
    ask_leverage(on, 5)
    assert settled(on, venue) == [LeverageSet(PAIR, 5, 2)]
    assert venue.leverages[-1] == (PAIR, 5)
    on.run_until(serving({CONNECTOR: venue}), lambda: is_projected(on))
    rows = texts(on.database)["perpetuals"]
    assert ['"outcome":"replaced"' in rows, '"outcome":"set"' in rows] == [True, True]


def test_read_models_of_requests_are_the_fold_of_the_log(
    on: Stage, is_projected: Callable[[Stage], bool]
) -> None:
    venue = PerpetualLedger()
    venue.errors["set_leverage"] = [VenueRefused("-1", "no"), VenueUnreachable("lost")]
    for leverage in (3, 4, 5):
        ask_leverage(on, leverage, f"X{leverage}-USD")
    ask_leverage(on, 6, "X5-USD", seconds=-1)
    ask_hedge(on)
    settled(on, venue, 4)
    on.run_until(serving({CONNECTOR: venue}), lambda: is_projected(on))
    assert texts(on.database) == texts_of_pure_fold(
        on.database, list(on.store.read_log(0, 1_000_000))
    )
