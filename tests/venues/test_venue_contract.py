"""What every implementation of the port `Venue` must do; see conftest for who takes part."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from decimal import Decimal

import msgspec
import pytest

from adapters.venues.port import (
    OrderUpdate,
    StreamConnected,
    TradeUpdate,
    UserUpdate,
    Venue,
    VenueRefused,
)
from tests.venues.conftest import Run, VenueFactory
from tests.venues.paper_process import PAIR, order, until


async def refusal(act: Awaitable[object]) -> str:
    with pytest.raises(VenueRefused) as caught:
        await act
    return caught.value.code


async def collect(stream: AsyncIterator[UserUpdate], count: int) -> list[UserUpdate]:
    seen: list[UserUpdate] = []
    async for update in stream:
        seen.append(update)
        if len(seen) == count:
            break
    return seen


def test_a_limit_order_rests_and_locks_its_money(run: Run) -> None:
    async def scenario(venue: Venue) -> None:
        placed = await venue.place(order("a", quantity="100", price="1.0"))
        assert placed.status == "open"
        assert placed.filled_quantity == 0
        assert await venue.order(PAIR, "a") == placed
        assert await venue.open_orders() == (placed,)
        balances = {seen.token: seen for seen in await venue.balances()}
        assert balances["USD"].total - balances["USD"].available == 100

    run("", scenario)


def test_a_cancelled_order_gives_its_money_back(run: Run) -> None:
    async def scenario(venue: Venue) -> None:
        before = await venue.balances()
        await venue.place(order("a"))
        cancelled = await venue.cancel(PAIR, "a")
        assert cancelled.status == "cancelled"
        assert await venue.order(PAIR, "a") == cancelled
        assert await venue.open_orders() == ()
        assert await venue.balances() == before

    run("", scenario)


def test_cancelling_twice_answers_the_order_as_it_is(run: Run) -> None:
    async def scenario(venue: Venue) -> None:
        await venue.place(order("a"))
        assert await venue.cancel(PAIR, "a") == await venue.cancel(PAIR, "a")
        assert await refusal(venue.cancel(PAIR, "never")) == "unknown_order"

    run("", scenario)


def test_an_order_that_was_never_placed_is_none(run: Run) -> None:
    async def scenario(venue: Venue) -> None:
        assert await venue.order(PAIR, "never") is None
        assert await venue.trades_of(PAIR, "never") == ()

    run("", scenario)


@pytest.mark.parametrize("side", ["BUY", "SELL"])
def test_a_market_order_fills_and_its_trades_add_up(run: Run, side: str) -> None:
    async def scenario(venue: Venue) -> None:
        before = {seen.token: seen.total for seen in await venue.balances()}
        placed = await venue.place(
            order("a", side="BUY" if side == "BUY" else "SELL", quantity="1000", price=None)
        )
        assert placed.status == "filled"
        assert placed.filled_quantity == 1000
        assert placed.price is None
        trades = await venue.trades_of(PAIR, "a")
        assert sum(trade.quantity for trade in trades) == 1000
        assert all(not trade.is_maker for trade in trades)
        cost = sum(trade.quantity * trade.price for trade in trades)
        fee = sum(trade.fee for trade in trades)
        after = {seen.token: seen.total for seen in await venue.balances()}
        if side == "BUY":
            assert {trade.fee_token for trade in trades} == {"EUR"}
            assert after["EUR"] - before["EUR"] == 1000 - fee
            assert after["USD"] - before["USD"] == -cost
        else:
            assert {trade.fee_token for trade in trades} == {"USD"}
            assert after["EUR"] - before["EUR"] == -1000
            assert after["USD"] - before["USD"] == cost - fee

    run(side, scenario)


def test_trades_since_is_an_ascending_cursor(run: Run) -> None:
    async def scenario(venue: Venue) -> None:
        for name in ("a", "b", "c"):
            await venue.place(order(name, price=None))
        everything = await venue.trades_since(0)
        sequences = [trade.sequence for trade in everything]
        assert sequences == sorted(set(sequences))
        assert await venue.trades_since(0, limit=2) == everything[:2]
        assert await venue.trades_since(sequences[1]) == everything[2:]
        assert await venue.trades_since(sequences[-1]) == ()

    run("", scenario)


def test_a_client_order_id_is_refused_only_while_its_order_is_open(run: Run) -> None:
    async def scenario(venue: Venue) -> None:
        first = await venue.place(order("same"))
        assert await refusal(venue.place(order("same"))) == "duplicate_client_order_id"
        await venue.cancel(PAIR, "same")
        second = await venue.place(order("same"))
        assert second.exchange_order_id != first.exchange_order_id
        assert await venue.order(PAIR, "same") == second

    run("", scenario)


def test_a_request_that_arrives_late_is_refused(run: Run) -> None:
    async def scenario(venue: Venue) -> None:
        assert venue.traits.has_request_expiry
        late = order("a", expires_in_seconds=-1)
        assert await refusal(venue.place(late)) == "request_expired"
        assert await venue.order(PAIR, "a") is None

    run("", scenario)


def test_orders_against_the_rules_are_refused(run: Run) -> None:
    async def scenario(venue: Venue) -> None:
        (rule,) = await venue.trading_rules()
        assert (rule.pair, rule.base, rule.quote) == (PAIR, "EUR", "USD")
        ask = (await venue.ticker(PAIR)).ask
        elsewhere = msgspec.structs.replace(order("a"), pair="XXX-YYY")
        too_small = str(rule.quantity_min / 2)
        for request, code in (
            (elsewhere, "unknown_pair"),
            (order("a", quantity=too_small), "below_min_quantity"),
            (order("a", quantity="1", price="0.5"), "below_min_notional"),
            (order("a", price=str(1 + rule.tick / 2)), "bad_tick"),
            (order("a", quantity=str(100 + rule.lot / 2)), "bad_lot"),
            (order("a", quantity="90000000"), "insufficient_balance"),
            (order("a", price=str(ask * 2), order_type="LIMIT_MAKER"), "would_cross"),
        ):
            assert await refusal(venue.place(request)) == code
        assert await venue.open_orders() == ()

    run("", scenario)


def test_the_stream_says_connected_then_every_change(run: Run) -> None:
    async def scenario(venue: Venue) -> None:
        stream = venue.updates()
        assert await anext(stream) == StreamConnected()
        await venue.place(order("a"))
        await venue.cancel(PAIR, "a")
        filled = await venue.place(order("b", price=None))
        seen = await collect(stream, 5)
        orders = [update.order for update in seen if isinstance(update, OrderUpdate)]
        assert [(told.client_order_id, told.status) for told in orders] == [
            ("a", "open"),
            ("a", "cancelled"),
            ("b", "open"),
            ("b", "filled"),
        ]
        assert orders[-1] == filled
        trades = tuple(update.trade for update in seen if isinstance(update, TradeUpdate))
        assert trades == await venue.trades_of(PAIR, "b")

    run("", scenario)


def test_closing_the_client_ends_its_stream(run: Run) -> None:
    async def scenario(venue: Venue) -> None:
        stream = venue.updates()
        assert await anext(stream) == StreamConnected()
        waiting = asyncio.create_task(collect(stream, 1))
        await asyncio.sleep(0)
        await venue.close()
        assert await waiting == []

    run("", scenario)


def test_a_limit_order_through_the_book_takes_at_better_prices(run: Run) -> None:
    async def scenario(venue: Venue) -> None:
        limit = ((await venue.ticker(PAIR)).ask * Decimal("1.01")).quantize(Decimal("0.001"))
        placed = await venue.place(order("a", price=str(limit)))
        assert placed.status == "filled"
        assert all(trade.price < limit for trade in await venue.trades_of(PAIR, "a"))
        balances = {seen.token: seen for seen in await venue.balances()}
        assert balances["USD"].total == balances["USD"].available

    run("", scenario)


def test_two_accounts_do_not_see_each_other(
    venue_factory: VenueFactory,
) -> None:
    async def scenario() -> None:
        one, other = venue_factory("stranger-one"), venue_factory("stranger-two")
        try:
            await one.place(order("a"))
            assert await other.order(PAIR, "a") is None
            assert await other.open_orders() == ()
            assert await refusal(other.cancel(PAIR, "a")) == "unknown_order"
        finally:
            await one.close()
            await other.close()

    asyncio.run(scenario())


def test_many_orders_at_once_are_each_placed_once(run: Run) -> None:
    async def scenario(venue: Venue) -> None:
        placed = await asyncio.gather(*(venue.place(order(f"n{n}")) for n in range(100)))
        assert len({seen.exchange_order_id for seen in placed}) == 100

        async def all_open() -> bool:
            return len(await venue.open_orders()) == 100

        await until(all_open)

    run("", scenario)
