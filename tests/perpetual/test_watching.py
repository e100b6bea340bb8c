"""Positions as the dispatcher watches them, on a venue with a ledger of its own."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from msgspec import Struct

from adapters.venues.port import VenueRefused, VenueUnreachable
from commands.codec import decode_recorded
from domain import position
from domain.events import Event
from domain.position import (
    PositionAgrees,
    PositionBaselineSet,
    PositionClosed,
    PositionDiffers,
    PositionObserved,
)
from tests.folds import texts, texts_of_pure_fold
from tests.perpetual.venue import CONNECTOR, PerpetualLedger, run
from tests.workers.stage import ACCOUNT, PAIR, Stage

pytestmark = pytest.mark.postgres
PLACE = (ACCOUNT, CONNECTOR, PAIR)


def events(on: Stage, pair: str = PAIR) -> list[Event]:
    stream = position.stream(ACCOUNT, CONNECTOR, pair)
    return [decode_recorded(recorded) for recorded in on.store.read_stream(stream)]


def of_kind(on: Stage, *kinds: type[Struct]) -> list[Event]:
    return [event for event in events(on) if isinstance(event, kinds)]


def quantities(on: Stage) -> list[Decimal]:
    return [event.quantity for event in events(on) if isinstance(event, PositionObserved)]


def test_a_position_is_observed_when_it_changes_and_only_then(on: Stage) -> None:
    venue = PerpetualLedger()
    venue.move(PAIR, "0.5")
    looks: list[int] = []
    run(
        on,
        venue,
        lambda: quantities(on) == [Decimal("0.5")],
        lambda: looks.append(venue.looks),
        lambda: venue.looks > looks[0] + 3,
        lambda: venue.move(PAIR, "0.25"),
        lambda: quantities(on) == [Decimal("0.5"), Decimal("0.75")],
        lambda: venue.move(PAIR, "-0.75"),
        lambda: bool(of_kind(on, PositionClosed)),
    )
    kinds = [type(e) for e in of_kind(on, PositionObserved, PositionClosed)]
    assert kinds == [PositionObserved, PositionObserved, PositionClosed]


def test_both_sides_of_a_pair_are_observed(on: Stage) -> None:
    venue = PerpetualLedger()
    venue.move(PAIR, "0.5")
    venue.move(PAIR, "0.2", "SHORT")
    run(on, venue, lambda: len(quantities(on)) > 1)
    seen = [event for event in events(on) if isinstance(event, PositionObserved)]
    sides = {event.side: event.quantity for event in seen}
    assert sides == {"LONG": Decimal("0.5"), "SHORT": Decimal("0.2")}


def test_a_position_that_turns_is_never_seen_on_both_sides(on: Stage) -> None:
    venue = PerpetualLedger()
    venue.move(PAIR, "0.5")

    def turn() -> None:
        venue.held = {(PAIR, "SHORT"): Decimal("0.2")}

    run(on, venue, lambda: len(quantities(on)) == 1, turn, lambda: len(quantities(on)) > 1)
    kinds = [type(e) for e in of_kind(on, PositionObserved, PositionClosed)]
    assert kinds == [PositionObserved, PositionClosed, PositionObserved]


def test_what_was_held_before_us_is_no_difference(
    on: Stage, is_projected: Callable[[Stage], bool]
) -> None:
    venue = PerpetualLedger()
    venue.move(PAIR, "3")
    names: list[str] = []
    run(
        on,
        venue,
        lambda: bool(of_kind(on, PositionBaselineSet)),
        lambda: names.append(on.place("ours", CONNECTOR)),
        lambda: names[0] in venue.orders,
        lambda: venue.fill(names[0]),
        lambda: quantities(on)[-1:] == [Decimal(4)],
        *looked_again(venue),
        lambda: is_projected(on),
    )
    baseline = PositionBaselineSet(*PLACE, Decimal(3), Decimal(0))
    assert of_kind(on, PositionBaselineSet, PositionDiffers, PositionAgrees) == [baseline]
    assert texts(on.database) == texts_of_pure_fold(
        on.database, list(on.store.read_log(0, 1_000_000))
    )


def looked_again(venue: PerpetualLedger, times: int = 4) -> list[Any]:
    looks: list[int] = []
    return [lambda: looks.append(venue.looks), lambda: venue.looks >= looks[0] + times]


def test_trading_by_hand_is_a_difference_until_it_is_undone(on: Stage) -> None:
    venue = PerpetualLedger()
    venue.move(PAIR, "3")
    run(
        on,
        venue,
        lambda: bool(of_kind(on, PositionBaselineSet)),
        lambda: venue.move(PAIR, "-1"),
        lambda: bool(of_kind(on, PositionDiffers)),
        *looked_again(venue),
        lambda: venue.move(PAIR, "1"),
        lambda: bool(of_kind(on, PositionAgrees)),
    )
    assert of_kind(on, PositionDiffers, PositionAgrees) == [
        PositionDiffers(*PLACE, Decimal(2), Decimal(3)),
        PositionAgrees(*PLACE, Decimal(3)),
    ]


def test_a_fill_that_is_under_way_is_no_difference(on: Stage) -> None:
    """The venue shows the position first and tells the trade only when it is asked again."""
    venue = PerpetualLedger()
    venue.move(PAIR, "3")
    names: list[str] = []

    def tell() -> bool:
        """When the look that saw the position alone is over, and before it can be confirmed."""
        if quantities(on)[-1:] != [Decimal(4)]:
            return False
        venue.trades += venue.hidden
        return True

    run(
        on,
        venue,
        lambda: bool(of_kind(on, PositionBaselineSet)),
        lambda: names.append(on.place("ours", CONNECTOR)),
        lambda: names[0] in venue.orders,
        lambda: venue.fill(names[0], is_told=False),
        tell,
        lambda: on.order(names[0]).filled == 1,
        *looked_again(venue, 8),
    )
    assert of_kind(on, PositionDiffers, PositionAgrees) == []


@pytest.mark.parametrize(
    "error", [VenueUnreachable("timed out"), VenueRefused("-1003", "banned"), ZeroDivisionError()]
)
def test_a_venue_that_cannot_be_asked_keeps_its_rows_and_says_since_when(
    on: Stage, error: Exception
) -> None:
    venue = PerpetualLedger()
    venue.move(PAIR, "0.5")
    seen: list[tuple[Any, ...]] = []

    def looks() -> list[tuple[Any, ...]]:
        with psycopg.connect(on.database.owner_dsn) as owner:
            return owner.execute(
                """select p.quantity, l.looked_at_us, l.failed_at_us, l.error
                from positions p join position_looks l using (account, connector)"""
            ).fetchall()

    def fails() -> None:
        venue.errors["positions"] = [error] * 1000
        venue.held.clear()

    def has_failed() -> bool:
        seen[:] = looks()
        return bool(seen) and seen[0][2] is not None

    def is_well_again() -> bool:
        with psycopg.connect(on.database.owner_dsn) as owner:
            found = owner.execute("select failed_at_us, error from position_looks").fetchall()
        return found == [(None, None)]

    run(
        on,
        venue,
        lambda: bool(looks()),
        fails,
        has_failed,
        venue.errors.clear,
        lambda: bool(of_kind(on, PositionClosed)),
        is_well_again,
    )
    [(quantity, looked_at_us, failed_at_us, text)] = seen
    assert quantity == Decimal("0.5")
    assert failed_at_us > looked_at_us
    assert text in (str(error), type(error).__name__)


def test_a_position_closed_while_nobody_watched_is_closed_by_the_next_dispatcher(
    on: Stage,
) -> None:
    venue = PerpetualLedger()
    venue.move(PAIR, "0.5")
    run(on, venue, lambda: bool(of_kind(on, PositionBaselineSet)))
    venue.move(PAIR, "-0.5")
    run(on, venue, lambda: bool(of_kind(on, PositionClosed)))


def test_nothing_that_watches_ever_sets_anything(on: Stage) -> None:
    venue = PerpetualLedger()
    venue.move(PAIR, "0.5")
    run(on, venue, lambda: bool(of_kind(on, PositionBaselineSet)), *looked_again(venue))
    assert (venue.modes, venue.leverages, venue.placed) == ([], [], [])
