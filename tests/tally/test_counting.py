"""What one event makes of a tally."""

from decimal import Decimal

from domain.counting import evolve, position_evolve, touched
from domain.order import Order
from domain.order_messages import CloseStarted
from domain.position import Position, PositionClosed, PositionObserved
from domain.tally import MINUTE_US, SETTLED_US, AccountTally, CloseTally, at
from tests.messages import CANCELLED, PLACED, REJECTED, filled

LIVE = Order("open", "main", "paper", "BTC-USDT", "SELL", Decimal(1))
ENDED = Order("cancelled", "main", "paper", "BTC-USDT", "SELL", Decimal(1))
AT = 20 * MINUTE_US


def seen(held: str, asked_at_us: int) -> PositionObserved:
    return PositionObserved(
        "main", "paper", "BTC-USDT", "LONG", Decimal(held), None, None, None, asked_at_us
    )


def test_an_order_is_open_from_its_placing_to_its_end() -> None:
    placed = evolve(AccountTally(), "order-av1", PLACED, LIVE, AT)
    assert placed == AccountTally(1, 20, 1)
    assert evolve(placed, "order-av1", CANCELLED, ENDED, AT + MINUTE_US) == AccountTally(0, 20, 1)


def test_what_begins_or_ends_nothing_is_not_counted() -> None:
    assert touched(LIVE, filled("t1", "0.1"), LIVE) == ()
    assert touched(ENDED, filled("t1", "0.1"), ENDED) == ()
    assert touched(LIVE, REJECTED, ENDED) == ("account-main",)
    assert touched(ENDED, filled("t1", "0.1"), LIVE) == ("account-main",)


def test_another_minute_begins_with_its_first_order() -> None:
    before = AccountTally(3, 19, 7)
    assert evolve(before, "order-av1", PLACED, LIVE, AT) == AccountTally(4, 20, 1)
    assert evolve(before, "order-av1", PLACED, LIVE, AT - MINUTE_US) == AccountTally(4, 19, 8)


def test_fills_of_a_close_are_taken_off_until_the_venue_shows_them() -> None:
    held = CloseTally(("order-av1",), Decimal("1.0"), AT)
    taken = evolve(held, "order-av1", filled("t1", "0.4"), LIVE, AT + 5)
    assert taken.left == Decimal("0.6")  # type: ignore[union-attr]
    old = position_evolve(taken, "", seen("1.0", AT + 4), Position(), 0)  # type: ignore[arg-type]
    assert old.left == Decimal("0.6")
    new = position_evolve(taken, "", seen("0.6", AT + 6), Position(), 0)  # type: ignore[arg-type]
    assert new == CloseTally(("order-av1",), Decimal("0.6"), AT + 6)


def test_a_position_that_is_gone_leaves_nothing() -> None:
    held = CloseTally((), Decimal("1.0"), AT)
    gone = PositionClosed("main", "paper", "BTC-USDT", "LONG", AT + 1)
    assert position_evolve(held, "", gone, Position(), 0) == CloseTally((), Decimal(0), AT + 1)


def test_a_close_begins_and_ends() -> None:
    started = CloseStarted("full", Decimal(1), AT)
    held = CloseTally((), Decimal(1), AT)
    flying = evolve(held, "order-av1", started, LIVE, AT + 1)
    assert flying == CloseTally(("order-av1",), Decimal(1), AT)
    assert evolve(flying, "order-av1", CANCELLED, ENDED, AT + 2) == held


def test_a_close_begins_with_what_the_venue_shows_where_it_has_shown_it_for_long() -> None:
    started = CloseStarted("full", Decimal(1), AT)
    held = CloseTally((), Decimal(1), AT, Decimal("0.4"), AT)
    later = AT + SETTLED_US + 1
    flying = evolve(held, "order-av1", started, LIVE, later)
    assert flying == CloseTally(("order-av1",), Decimal(1), AT)


def test_a_clock_that_was_set_back_leaves_no_fill_behind() -> None:
    held = CloseTally((), Decimal(1), AT, Decimal("0.4"), AT + 2 * SETTLED_US)
    assert at(held, AT).left == 1
    again = evolve(held, "order-av1", filled("t1", "0.1"), LIVE, AT)
    assert again == CloseTally(("order-av1",), Decimal(1), AT, Decimal("0.5"), AT)
    assert at(again, AT + 1).left == Decimal("0.5")
