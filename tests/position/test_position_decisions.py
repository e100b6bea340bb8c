from decimal import Decimal

from hypothesis import given as forall
from hypothesis import strategies as st

from commands.catalogue import AGGREGATES
from domain.position import (
    ANSWER_US,
    Command,
    ComparePosition,
    Held,
    ObserveNoPosition,
    ObservePosition,
    Position,
    PositionAgrees,
    PositionBaselineSet,
    PositionClosed,
    PositionDiffers,
    PositionObserved,
    PositionSide,
    decide,
    stream,
)
from tests.given import fold, given

PLACE = ("main", "binance_perpetual", "BTC-USDT")
ENTRY, LEVERAGE = Decimal("50000.10"), Decimal(20)


def seen(
    quantity: str, at: int, side: PositionSide = "LONG", pnl: str = "1.5", entry: Decimal = ENTRY
) -> ObservePosition:
    return ObservePosition(*PLACE, side, Decimal(quantity), entry, Decimal(pnl), LEVERAGE, at)


def observed(
    quantity: str, at: int, side: PositionSide = "LONG", pnl: str = "1.5"
) -> PositionObserved:
    return PositionObserved(*PLACE, side, Decimal(quantity), ENTRY, Decimal(pnl), LEVERAGE, at)


def compared(venue: str, fills: str, at: int = 9) -> ComparePosition:
    return ComparePosition(*PLACE, Decimal(venue), Decimal(fills), at)


def test_what_the_venue_shows_is_observed() -> None:
    given().when(seen("0.5", 1)).then(observed("0.5", 1))


def test_the_same_position_is_no_news_however_its_profit_moves() -> None:
    given(observed("0.5", 1)).when(seen("0.50", 2, pnl="-99")).then_nothing()


def test_each_change_is_observed() -> None:
    given(observed("0.5", 1)).when(seen("0.6", 2)).then(observed("0.6", 2))
    moved = ObservePosition(*PLACE, "LONG", Decimal("0.5"), Decimal(1), None, LEVERAGE, 2)
    then = PositionObserved(*PLACE, "LONG", Decimal("0.5"), Decimal(1), None, LEVERAGE, 2)
    given(observed("0.5", 1)).when(moved).then(then)


def test_an_older_look_does_not_overwrite_a_newer_one() -> None:
    given(observed("0.5", 7)).when(seen("0.6", 6)).then_nothing()
    gone = ObserveNoPosition(*PLACE, "LONG", 6)
    given(observed("0.5", 7)).when(gone).then_nothing()
    closed = PositionClosed(*PLACE, "LONG", 8)
    given(observed("0.5", 7), closed).when(seen("0.5", 7)).then_nothing()


def test_looks_go_on_after_a_clock_was_set_back() -> None:
    ahead = observed("0.5", ANSWER_US + 2)
    given(ahead).when(seen("0.6", 3)).then_nothing()
    given(ahead).when(seen("0.6", 2)).then(observed("0.6", 2))
    gone = ObserveNoPosition(*PLACE, "LONG", 2)
    given(ahead).when(gone).then(PositionClosed(*PLACE, "LONG", 2))


def test_long_and_short_of_one_pair_are_two() -> None:
    history = (observed("0.5", 1), observed("0.2", 1, "SHORT"))
    state: Position = fold("position", history)
    assert (state.quantity("LONG"), state.quantity("SHORT")) == (Decimal("0.5"), Decimal("0.2"))
    closed = PositionClosed(*PLACE, "LONG", 2)
    given(*history).when(ObserveNoPosition(*PLACE, "LONG", 2)).then(closed)
    state = fold("position", (*history, closed))
    assert (state.quantity("LONG"), state.quantity("SHORT")) == (Decimal(0), Decimal("0.2"))


def test_a_position_that_is_gone_is_closed_once() -> None:
    gone = ObserveNoPosition(*PLACE, "LONG", 2)
    closed = PositionClosed(*PLACE, "LONG", 2)
    given(observed("0.5", 1)).when(gone).then(closed)
    given(observed("0.5", 1), closed).when(gone).then_nothing()
    given().when(gone).then_nothing()
    given(observed("0.5", 1), closed).when(seen("0.5", 3)).then(observed("0.5", 3))


def test_the_first_comparison_is_the_baseline() -> None:
    baseline = PositionBaselineSet(*PLACE, Decimal("3.5"), Decimal("0.5"))
    given().when(compared("3.5", "0.5")).then(baseline)
    given(baseline).when(compared("4", "1")).then_nothing()


def test_a_difference_is_told_once_and_then_its_end() -> None:
    baseline = PositionBaselineSet(*PLACE, Decimal(3), Decimal(0))
    differs = PositionDiffers(*PLACE, Decimal("2.5"), Decimal(4))
    given(baseline).when(compared("2.5", "1")).then(differs)
    given(baseline, differs).when(compared("2.5", "1", 10)).then_nothing()
    # The same difference on a larger position is the same difference.
    given(baseline, differs).when(compared("3.5", "2", 10)).then_nothing()
    agrees = PositionAgrees(*PLACE, Decimal(4))
    given(baseline, differs).when(compared("4", "1", 10)).then(agrees)
    given(baseline, differs, agrees).when(compared("2.5", "1", 11)).then(differs)


def test_a_new_difference_is_told() -> None:
    baseline = PositionBaselineSet(*PLACE, Decimal(0), Decimal(0))
    differs = PositionDiffers(*PLACE, Decimal(0), Decimal(1))
    other = PositionDiffers(*PLACE, Decimal(-1), Decimal(1))
    given(baseline, differs).when(compared("-1", "1", 10)).then(other)


quantities = st.decimals(min_value=Decimal("0.1"), max_value=3, places=1)
sides = st.sampled_from(["LONG", "SHORT"])
looks = st.one_of(
    st.builds(
        ObservePosition,
        *(st.just(part) for part in PLACE),
        sides,
        quantities,
        st.none() | quantities,
        st.none() | quantities,
        st.none() | st.integers(1, 20).map(Decimal),
        st.integers(0, 30),
    ),
    st.builds(ObserveNoPosition, *(st.just(part) for part in PLACE), sides, st.integers(0, 30)),
)


@forall(st.lists(looks, max_size=30), st.data())
def test_the_last_look_at_each_side_is_what_is_true(
    commands: list[ObservePosition | ObserveNoPosition], data: st.DataObject
) -> None:
    """Also where a look that was overtaken by a change comes again, later."""
    state, evolve = Position(), AGGREGATES["position"].evolve
    shown: dict[PositionSide, Held | None] = {}
    overtaken: list[Command] = []
    for command in sorted(commands, key=lambda its: its.asked_at_us):
        for event in decide(command, state):
            state = evolve(state, event)
        held = None
        if isinstance(command, ObservePosition):
            held = Held(command.quantity, command.entry_price, command.leverage)
        shown[command.side] = held
        overtaken = [
            its
            for its in [*overtaken, command]
            if its.asked_at_us < state.asked_at_us.get(its.side, 0)  # type: ignore[union-attr]
        ]
        if overtaken:
            assert decide(data.draw(st.sampled_from(overtaken)), state) == ()
    assert state.sides == {side: held for side, held in shown.items() if held is not None}


@forall(st.lists(st.tuples(quantities, quantities), min_size=1, max_size=20))
def test_what_is_recorded_as_difference_is_what_differs(
    figures: list[tuple[Decimal, Decimal]],
) -> None:
    state, evolve = Position(), AGGREGATES["position"].evolve
    first_venue, first_fills = figures[0]
    for at, (venue, fills) in enumerate(figures):
        for event in decide(ComparePosition(*PLACE, venue, fills, at), state):
            state = evolve(state, event)
        assert state.difference == (venue - first_venue) - (fills - first_fills)


def test_streams_of_two_accounts_are_two() -> None:
    assert stream("a", "b_perpetual", "X-Y") != stream("a_b", "perpetual", "X-Y")
