"""Orders that close a position: one at a time, and never more than is held."""

from decimal import Decimal

from msgspec import structs

from domain.order import Order
from domain.order_messages import CloseStarted, OrderPlaced
from domain.tally import SETTLED_US, AccountTally, CloseTally, at
from tests.given import Given, fold, given
from tests.messages import ACCOUNT, PLACED, close_of, filled

GUARDED = given().guarded_by(*ACCOUNT)


def holding(
    held: str, asked_at_us: int = 9, *, live: tuple[str, ...] = (), filled: str = "0"
) -> Given:
    side = CloseTally(live, Decimal(held), asked_at_us, Decimal(filled), 20)
    return GUARDED.counted(AccountTally(), side)


def placed(quantity: str) -> OrderPlaced:
    return structs.replace(
        PLACED,
        side="SELL",
        order_type="MARKET",
        quantity=Decimal(quantity),
        price=None,
        position_action="CLOSE",
    )


def test_a_full_close_takes_all_that_is_held() -> None:
    started = CloseStarted("full", Decimal("2.5"), 9)
    holding("2.5").when(close_of("av1")).then(placed("2.5"), started)


def test_a_part_is_closed_up_to_what_is_held() -> None:
    started = CloseStarted("part", Decimal("2.5"), 9)
    holding("2.5").when(close_of("av1", "part", "1.5")).then(placed("1.5"), started)
    holding("2.5").when(close_of("av1", "part", "2.5")).then(placed("2.5"), started)
    holding("2.5").when(close_of("av1", "part", "2.6")).refused("exceeds_position")


def test_there_is_nothing_to_close_without_a_position() -> None:
    GUARDED.when(close_of("av1")).refused("no_position")
    holding("0").when(close_of("av1", "part", "0.1")).refused("no_position")


def test_one_close_at_a_time() -> None:
    flying = holding("1", live=("order-av9",))
    flying.when(close_of("av1")).refused("close_in_flight")
    assert "av9" in str(flying.when(close_of("av1")).result)


def test_what_a_close_has_taken_is_held_no_longer_before_the_venue_says_so() -> None:
    late = holding("1.0", filled="0.4")
    late.when(close_of("av1", "part", "0.7")).refused("exceeds_position")
    late.when(close_of("av1")).then(placed("0.6"), CloseStarted("full", Decimal("0.6"), 9))
    holding("1.0", filled="1.0").when(close_of("av1")).refused("no_position")


def test_after_a_while_the_venue_s_position_is_believed() -> None:
    taken = CloseTally(("order-av9",), Decimal("1.0"), 9, Decimal("1.0"), 20)
    assert at(taken, 20 + SETTLED_US) == taken
    assert at(taken, 21 + SETTLED_US) == CloseTally(("order-av9",), Decimal("1.0"), 9)


def test_no_limit_stops_a_close() -> None:
    full = AccountTally(open_orders=10**6, placed_in_minute=10**6)
    bounded = structs.replace(close_of("av1"), open_orders_max=1)
    GUARDED.counted(full, CloseTally(held=Decimal("1.0"))).when(bounded).then(
        placed("1.0"), CloseStarted("full", Decimal("1.0"), 0)
    )


def test_a_limit_close_needs_its_price() -> None:
    holding("1.0").when(structs.replace(close_of("av1"), order_type="LIMIT")).refused(
        "price_required"
    )


def test_a_close_in_the_log_is_remembered_as_one() -> None:
    started = CloseStarted("full", Decimal("1.0"), 9)
    state: Order = fold("order", (placed("1.0"), started, filled("t1", "0.4")))
    assert (state.closing, state.side, state.is_live) == ("full", "SELL", True)
