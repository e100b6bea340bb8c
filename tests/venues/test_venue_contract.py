"""What every implementation of the port `Venue` must do with orders; see conftest for who."""

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from decimal import Decimal

import msgspec
import pytest

from adapters.venues.port import VenueOrder, VenueRefused, VenueUnreachable
from tests.venues.conftest import Run
from tests.venues.paper_process import until
from tests.venues.stage import House, Scene


async def refusal(act: Awaitable[object]) -> str:
    with pytest.raises(VenueRefused) as caught:
        await act
    return caught.value.code


def timeless(order: VenueOrder | None) -> VenueOrder | None:
    """The order without its times: an answer to a request may tell other ones than a lookup."""
    return order and msgspec.structs.replace(order, created_at_us=0, updated_at_us=0)


def test_a_limit_order_rests(run: Run) -> None:
    async def scenario(scene: Scene) -> None:
        placed = await scene.venue.place(scene.order("a"))
        assert (placed.client_order_id, placed.pair) == ("a", scene.pair)
        assert (placed.side, placed.order_type, placed.status) == ("BUY", "LIMIT", "open")
        assert (placed.quantity, placed.price) == (scene.terms.quantity, scene.terms.low)
        assert placed.filled_quantity == 0
        assert timeless(await scene.venue.order(scene.pair, "a")) == timeless(placed)
        assert [timeless(seen) for seen in await scene.venue.open_orders()] == [timeless(placed)]

    run(scenario)


def test_cancelling_twice_answers_the_order_as_it_is(run: Run) -> None:
    async def scenario(scene: Scene) -> None:
        await scene.venue.place(scene.order("a"))
        first = await scene.venue.cancel(scene.pair, "a")
        assert (first.client_order_id, first.status) == ("a", "cancelled")
        assert timeless(await scene.venue.cancel(scene.pair, "a")) == timeless(first)
        assert timeless(await scene.venue.order(scene.pair, "a")) == timeless(first)
        assert await scene.venue.open_orders() == ()
        assert await refusal(scene.venue.cancel(scene.pair, "never")) == "unknown_order"

    run(scenario)


def test_a_cancel_that_lost_the_race_answers_the_filled_order(run: Run) -> None:
    async def scenario(scene: Scene) -> None:
        placed = await scene.venue.place(scene.taking("a"))
        assert placed.status == "filled"
        seen = await scene.venue.cancel(scene.pair, "a")
        assert (seen.status, seen.filled_quantity) == ("filled", scene.terms.quantity)

    run(scenario)


def test_a_partly_filled_order_keeps_what_it_got_when_it_is_cancelled(run: Run) -> None:
    async def scenario(scene: Scene) -> None:
        still = scene.terms.low * Decimal("1.1")
        await scene.house.price(still)
        try:
            offer, available = (await scene.market.order_book(scene.pair, depth=5)).asks[0]
            more = 800_000 // offer  # A venue may offer as much again while we look.
            assert more > 2 * available
            placed = await scene.venue.place(scene.order("a", quantity=more, price=offer))
            assert placed.status == "open"
            assert 0 < placed.filled_quantity < more
            await scene.house.price(still * Decimal("1.1"))  # Nobody sells at its price any more.
            (seen,) = await scene.venue.open_orders()
            filled = seen.filled_quantity
            assert placed.filled_quantity <= filled < more
            cancelled = await scene.venue.cancel(scene.pair, "a")
            assert (cancelled.status, cancelled.filled_quantity) == ("cancelled", filled)
            trades = await scene.venue.trades_of(scene.pair, "a")
            assert sum(trade.quantity for trade in trades) == filled
        finally:
            await scene.house.price(None)

    run(scenario)


def test_a_post_only_order_rests_and_then_makes(run: Run) -> None:
    async def scenario(scene: Scene) -> None:
        placed = await scene.venue.place(scene.order("a", order_type="LIMIT_MAKER"))
        assert (placed.status, placed.order_type) == ("open", "LIMIT_MAKER")
        await scene.house.price(scene.terms.low * Decimal("0.99"))
        try:

            async def is_filled() -> bool:
                seen = await scene.venue.order(scene.pair, "a")
                return seen is not None and seen.status == "filled"

            await until(is_filled)
        finally:
            await scene.house.price(None)
        trades = await scene.venue.trades_of(scene.pair, "a")
        assert trades
        assert all(trade.is_maker for trade in trades)

    run(scenario)


def test_an_order_that_was_never_placed_is_none(run: Run) -> None:
    async def scenario(scene: Scene) -> None:
        assert await scene.venue.order(scene.pair, "never") is None
        assert await scene.venue.trades_of(scene.pair, "never") == ()

    run(scenario)


def test_the_trades_of_a_filled_order_add_up(run: Run) -> None:
    async def scenario(scene: Scene) -> None:
        placed = await scene.venue.place(scene.taking("a"))
        assert (placed.status, placed.filled_quantity) == ("filled", scene.terms.quantity)
        assert placed.price is None
        trades = await scene.venue.trades_of(scene.pair, "a")
        assert sum(trade.quantity for trade in trades) == scene.terms.quantity
        for trade in trades:
            assert (trade.client_order_id, trade.side) == ("a", "BUY")
            assert trade.exchange_order_id == placed.exchange_order_id
            assert not trade.is_maker
            assert trade.fee >= 0

    run(scenario)


def test_a_client_order_id_is_refused_only_while_its_order_is_open(run: Run) -> None:
    async def scenario(scene: Scene) -> None:
        first = await scene.venue.place(scene.order("same"))
        again = scene.venue.place(scene.order("same"))
        assert await refusal(again) == "duplicate_client_order_id"
        await scene.venue.cancel(scene.pair, "same")
        second = await scene.venue.place(scene.order("same"))
        assert second.exchange_order_id != first.exchange_order_id
        assert timeless(await scene.venue.order(scene.pair, "same")) == timeless(second)

    run(scenario)


def test_a_request_that_arrives_late_is_refused(run: Run) -> None:
    async def scenario(scene: Scene) -> None:
        assert scene.venue.traits.has_request_expiry
        late = scene.order("a", expires_in_seconds=-1)
        assert await refusal(scene.venue.place(late)) == "request_expired"
        assert await scene.venue.order(scene.pair, "a") is None

    run(scenario)


def test_orders_against_the_rules_are_refused(run: Run) -> None:
    async def scenario(scene: Scene) -> None:
        rules = {rule.pair: rule for rule in await scene.market.trading_rules()}
        rule, terms, order = rules[scene.pair], scene.terms, scene.order
        assert (rule.base, rule.quote) == (terms.base, terms.quote)
        (ticker,) = await scene.market.tickers([scene.pair])
        assert ticker.ask is not None
        assert rule.notional_min < terms.quantity * terms.low
        crossing = ((ticker.ask * 2) // rule.tick) * rule.tick
        below = (rule.notional_min / terms.low) // rule.lot * rule.lot - rule.lot
        small = order("a", quantity=max(below, rule.quantity_min), price=terms.low / 2)
        for request, code in (
            (msgspec.structs.replace(order("a"), pair="XXX-YYY"), "unknown_pair"),
            (order("a", quantity=rule.quantity_min / 2), "below_min_quantity"),
            (small, "below_min_notional"),
            (order("a", price=terms.low + rule.tick / 2), "bad_tick"),
            (order("a", quantity=terms.quantity + rule.lot / 2), "bad_lot"),
            (order("a", quantity=terms.too_much), "insufficient_balance"),
            (order("a", price=crossing, order_type="LIMIT_MAKER"), "would_cross"),
        ):
            assert await refusal(scene.venue.place(request)) == code
        assert await scene.venue.open_orders() == ()

    run(scenario)


def test_a_limit_order_through_the_book_takes_at_better_prices(run: Run) -> None:
    async def scenario(scene: Scene) -> None:
        (ticker,) = await scene.market.tickers([scene.pair])
        rules = {rule.pair: rule for rule in await scene.market.trading_rules()}
        assert ticker.ask is not None
        tick = rules[scene.pair].tick
        limit = ticker.ask * Decimal("1.01") // tick * tick
        placed = await scene.venue.place(scene.order("a", price=limit))
        assert placed.status == "filled"
        trades = await scene.venue.trades_of(scene.pair, "a")
        assert all(trade.price < limit for trade in trades)

    run(scenario)


def test_two_accounts_do_not_see_each_other(house: House) -> None:
    async def scenario() -> None:
        one, other = Scene(house, "stranger-one"), Scene(house, "stranger-two")
        try:
            await one.venue.place(one.order("a"))
            assert await other.venue.order(other.pair, "a") is None
            assert await other.venue.open_orders() == ()
            assert await refusal(other.venue.cancel(other.pair, "a")) == "unknown_order"
        finally:
            await one.close()
            await other.close()

    asyncio.run(scenario())


def test_many_orders_at_once_are_each_placed_once(run: Run) -> None:
    async def scenario(scene: Scene) -> None:
        requests = [scene.order(f"n{n}") for n in range(50)]
        placed = await asyncio.gather(*(scene.venue.place(request) for request in requests))
        assert len({seen.exchange_order_id for seen in placed}) == 50

        async def all_open() -> bool:
            return len(await scene.venue.open_orders()) == 50

        await until(all_open)

    run(scenario)


@pytest.mark.parametrize("fault", ["lose_ack", "unavailable_after"])
def test_an_order_whose_answer_was_lost_is_found_by_its_id(run: Run, fault: str) -> None:
    async def scenario(scene: Scene) -> None:
        await scene.fault("lose_ack" if fault == "lose_ack" else "unavailable_after")
        with pytest.raises(VenueUnreachable):
            await scene.venue.place(scene.order("a"))
        seen = await scene.venue.order(scene.pair, "a")
        assert seen is not None
        assert seen.status == "open"
        again = scene.venue.place(scene.order("a"))
        assert await refusal(again) == "duplicate_client_order_id"

    run(scenario)


def test_an_order_that_did_not_arrive_is_not_there(run: Run) -> None:
    async def scenario(scene: Scene) -> None:
        await scene.fault("unavailable_before")
        with pytest.raises(VenueUnreachable):
            await scene.venue.place(scene.order("a"))
        assert await scene.venue.order(scene.pair, "a") is None
        assert (await scene.venue.place(scene.order("a"))).status == "open"

    run(scenario)


def test_a_cancel_whose_answer_was_lost_may_be_sent_again(run: Run) -> None:
    async def scenario(scene: Scene) -> None:
        await scene.venue.place(scene.order("a"))
        await scene.fault("lose_ack", "cancel")
        with suppress(VenueUnreachable):  # An HTTP library may send a DELETE again by itself.
            await scene.venue.cancel(scene.pair, "a")
        assert (await scene.venue.cancel(scene.pair, "a")).status == "cancelled"

    run(scenario)
