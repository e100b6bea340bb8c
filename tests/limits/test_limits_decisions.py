from decimal import Decimal

import pytest
from msgspec import structs

from domain.events import Event
from domain.limits import LimitsSet, SetLimits
from domain.order_messages import OrderValued
from domain.tally import MINUTE_US, AccountTally, at
from tests.given import given
from tests.messages import ACCOUNT, PLACE, PLACED

MARKET = structs.replace(PLACE, order_type="MARKET", price=None)
MARKET_PLACED = structs.replace(PLACED, order_type="MARKET", price=None)


def limited(
    notional: str | None = None, open_orders: int | None = None, per_minute: int | None = None
) -> tuple[Event, ...]:
    worth = None if notional is None else Decimal(notional)
    return (*ACCOUNT, LimitsSet("main", worth, open_orders, per_minute))


def test_limits_are_set_all_at_once() -> None:
    asked = SetLimits("main", Decimal(1000), open_orders=20)
    given().guarded_by(*ACCOUNT).when(asked).then(LimitsSet("main", Decimal(1000), 20, None))


def test_no_limits_for_an_account_that_does_not_exist() -> None:
    given().when(SetLimits("main", Decimal(1000))).refused("unknown_account")


def test_the_same_limits_again_change_nothing() -> None:
    history = LimitsSet("main", Decimal(1000), 20, None)
    again = SetLimits("main", Decimal("1000.0"), 20)
    given(history).guarded_by(*ACCOUNT).when(again).then_nothing()


def test_no_limits_where_there_were_none_change_nothing() -> None:
    given().guarded_by(*ACCOUNT).when(SetLimits("main")).then_nothing()


def test_what_is_left_out_is_no_limit_any_more() -> None:
    history = LimitsSet("main", Decimal(1000), 20, None)
    after = LimitsSet("main", None, None, 5)
    given(history).guarded_by(*ACCOUNT).when(SetLimits("main", orders_per_minute=5)).then(after)


def test_an_order_worth_the_limit_passes_and_one_worth_more_does_not() -> None:
    given().guarded_by(*limited("50000")).when(PLACE).then(PLACED)
    given().guarded_by(*limited("49999.99")).when(PLACE).refused("notional_limit")


def test_a_market_order_is_held_against_the_reference_price() -> None:
    priced = structs.replace(MARKET, reference_price=Decimal(50000))
    valued = OrderValued(Decimal(50000))
    given().guarded_by(*limited("50000")).when(priced).then(MARKET_PLACED, valued)
    given().guarded_by(*limited("49999")).when(priced).refused("notional_limit")


def test_without_a_price_nobody_knows_what_a_market_order_is_worth() -> None:
    given().guarded_by(*limited("50000")).when(MARKET).refused("price_unknown")


def test_without_a_limit_nobody_asks_what_a_market_order_is_worth() -> None:
    given().guarded_by(*limited(open_orders=9)).when(MARKET).then(MARKET_PLACED)
    priced = structs.replace(MARKET, reference_price=Decimal(50000))
    given().guarded_by(*limited(open_orders=9)).when(priced).then(MARKET_PLACED)


def test_who_sells_names_the_least_price_and_the_venue_s_counts_as_well() -> None:
    cheap = structs.replace(PLACE, side="SELL", price=Decimal(1))
    sold = structs.replace(PLACED, side="SELL", price=Decimal(1))
    guarded = given().guarded_by(*limited("50000"))
    guarded.when(cheap).refused("price_unknown")
    dear = structs.replace(cheap, reference_price=Decimal(50001))
    guarded.when(dear).refused("notional_limit")
    fair = structs.replace(cheap, reference_price=Decimal(50000))
    guarded.when(fair).then(sold, OrderValued(Decimal(50000)))
    maker = structs.replace(cheap, order_type="LIMIT_MAKER")
    guarded.when(maker).then(structs.replace(sold, order_type="LIMIT_MAKER"))


def test_open_orders_up_to_the_limit_pass() -> None:
    guarded = given().guarded_by(*limited(open_orders=3))
    guarded.counted(AccountTally(open_orders=2)).when(PLACE).then(PLACED)
    guarded.counted(AccountTally(open_orders=3)).when(PLACE).refused("open_orders_limit")
    guarded.counted(AccountTally(open_orders=4)).when(PLACE).refused("open_orders_limit")


def test_orders_of_a_minute_up_to_the_limit_pass() -> None:
    guarded = given().guarded_by(*limited(per_minute=3))
    guarded.counted(AccountTally(placed_in_minute=2)).when(PLACE).then(PLACED)
    guarded.counted(AccountTally(placed_in_minute=3)).when(PLACE).refused("orders_per_minute_limit")


def test_an_order_that_only_reduces_a_position_is_not_stopped() -> None:
    reducing = structs.replace(PLACE, is_reduce_only=True)
    full = AccountTally(open_orders=9, placed_in_minute=9)
    given().guarded_by(*limited("1", 1, 1)).counted(full).when(reducing).then(PLACED)


def test_the_bound_of_the_installation_holds_without_limits() -> None:
    bounded = structs.replace(PLACE, open_orders_max=3)
    guarded = given().guarded_by(*ACCOUNT)
    guarded.counted(AccountTally(open_orders=2)).when(bounded).then(PLACED)
    guarded.counted(AccountTally(open_orders=3)).when(bounded).refused("too_many_open_orders")


def test_refusals_say_both_figures() -> None:
    counted = AccountTally(open_orders=7, minute=29_921_082, placed_in_minute=8)
    for limits, expected in (
        (limited("10"), ("50000", "10")),
        (limited(open_orders=5), ("7 open orders", "is 5")),
        (limited(per_minute=6), ("8 orders", "is 6", "12:42 UTC (number 29921082")),
    ):
        refused = str(given().guarded_by(*limits).counted(counted).when(PLACE).result)
        assert all(part in refused for part in expected), refused


@pytest.mark.parametrize(
    ("now_us", "placed"),
    [
        (10 * MINUTE_US, 4),
        (11 * MINUTE_US - 1, 4),
        (11 * MINUTE_US, 0),
        (9 * MINUTE_US, 4),  # Another process's clock is behind: its orders count as well.
    ],
)
def test_a_minute_of_the_clock_begins_with_none(now_us: int, placed: int) -> None:
    seen = at(AccountTally(open_orders=2, minute=10, placed_in_minute=4), now_us)
    assert (seen.open_orders, seen.placed_in_minute) == (2, placed)
