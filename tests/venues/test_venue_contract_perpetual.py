"""What every implementation of the port `PerpetualVenue` must do."""

import asyncio
from decimal import Decimal

import pytest

from adapters.venues.port import (
    FundingPayment,
    HoldingsChanged,
    PositionSide,
    Side,
    StreamConnected,
    VenueRefused,
)
from tests.venues.conftest import Run
from tests.venues.stage import Scene


async def held(scene: Scene) -> dict[PositionSide, Decimal]:
    positions = await scene.perpetual.positions()
    assert {position.pair for position in positions} <= {scene.pair}
    return {position.side: position.quantity for position in positions}


@pytest.mark.parametrize(("side", "position"), [("BUY", "LONG"), ("SELL", "SHORT")])
def test_a_fill_opens_a_position_and_a_close_ends_it(
    run_perpetual: Run, side: Side, position: PositionSide
) -> None:
    async def scenario(scene: Scene) -> None:
        venue, quantity = scene.perpetual, scene.terms.quantity
        assert await venue.positions() == ()
        await venue.place(scene.taking("open", side))
        (seen,) = await venue.positions()
        assert (seen.pair, seen.side, seen.quantity) == (scene.pair, position, quantity)
        trades = await venue.trades_of(scene.pair, "open")
        cost = sum(trade.price * trade.quantity for trade in trades)
        assert seen.entry_price == cost / quantity
        back: Side = "SELL" if side == "BUY" else "BUY"
        closing = scene.order("close", back, order_type="MARKET", action="CLOSE")
        assert (await venue.place(closing)).status == "filled"
        assert await venue.positions() == ()

    run_perpetual(scenario)


def test_a_close_never_opens_the_other_side(run_perpetual: Run) -> None:
    async def scenario(scene: Scene) -> None:
        closing = scene.order("a", "SELL", order_type="MARKET", action="CLOSE")
        with pytest.raises(VenueRefused) as caught:
            await scene.venue.place(closing)
        assert caught.value.code == "reduce_only_rejected"
        assert await held(scene) == {}

    run_perpetual(scenario)


def test_hedge_mode_holds_both_sides_and_closes_each_by_itself(run_perpetual: Run) -> None:
    async def scenario(scene: Scene) -> None:
        venue, quantity = scene.perpetual, scene.terms.quantity
        assert await venue.position_mode() == "ONEWAY"
        await venue.set_position_mode("HEDGE")
        await venue.set_position_mode("HEDGE")
        assert await venue.position_mode() == "HEDGE"
        await venue.place(scene.taking("long", "BUY"))
        await venue.place(scene.taking("short", "SELL"))
        assert await held(scene) == {"LONG": quantity, "SHORT": quantity}
        await venue.place(scene.order("end", "SELL", order_type="MARKET", action="CLOSE"))
        assert await held(scene) == {"SHORT": quantity}
        await venue.place(scene.order("ends", "BUY", order_type="MARKET", action="CLOSE"))
        assert await held(scene) == {}
        await venue.set_position_mode("ONEWAY")
        assert await venue.position_mode() == "ONEWAY"

    run_perpetual(scenario)


def test_a_mode_changed_by_somebody_else_costs_one_refusal(run_perpetual: Run) -> None:
    async def scenario(scene: Scene) -> None:
        await scene.venue.place(scene.order("a"))
        await scene.venue.cancel(scene.pair, "a")
        other = Scene(scene.house, scene.account)
        try:
            await other.perpetual.set_position_mode("HEDGE")
        finally:
            await other.close()
        with pytest.raises(VenueRefused) as caught:
            await scene.venue.place(scene.order("b"))
        assert caught.value.code == "position_mode_mismatch"
        assert (await scene.venue.place(scene.order("c"))).status == "open"

    run_perpetual(scenario)


def test_the_mode_stays_while_a_position_is_open(run_perpetual: Run) -> None:
    async def scenario(scene: Scene) -> None:
        await scene.venue.place(scene.taking("a"))
        with pytest.raises(VenueRefused) as caught:
            await scene.perpetual.set_position_mode("HEDGE")
        assert caught.value.code == "positions_exist"
        assert await scene.perpetual.position_mode() == "ONEWAY"

    run_perpetual(scenario)


def test_the_leverage_is_that_of_the_position(run_perpetual: Run) -> None:
    async def scenario(scene: Scene) -> None:
        await scene.perpetual.set_leverage(scene.pair, 7)
        await scene.perpetual.set_leverage(scene.pair, 7)
        await scene.venue.place(scene.taking("a"))
        (seen,) = await scene.perpetual.positions()
        assert seen.leverage == 7
        for pair, leverage, code in (
            (scene.pair, 100_000, "bad_leverage"),
            ("XXX-YYY", 2, "unknown_pair"),
        ):
            with pytest.raises(VenueRefused) as caught:
                await scene.perpetual.set_leverage(pair, leverage)
            assert caught.value.code == code

    run_perpetual(scenario)


def test_each_funding_payment_is_told_once(run_perpetual: Run) -> None:
    async def scenario(scene: Scene) -> None:
        venue, pairs = scene.perpetual, [scene.pair]
        assert (await venue.funding_payments(None, pairs)).payments == ()
        await venue.place(scene.taking("a"))
        for rate in ("0.0001", "-0.0002", "0.0003"):
            await scene.house.pay_funding(rate)
        everything = await venue.funding_payments(None, pairs)
        assert [payment.amount > 0 for payment in everything.payments] == [False, True, False]
        assert {payment.token for payment in everything.payments} == {scene.terms.quote}
        assert len({payment.payment_id for payment in everything.payments}) == 3
        assert (await venue.funding_payments(everything.cursor, pairs)).payments == ()
        cursor: str | None = None
        told: list[FundingPayment] = []
        has_more = True
        while has_more:
            page = await venue.funding_payments(cursor, pairs, limit=1)
            told += page.payments
            cursor, has_more = page.cursor, page.has_more
        assert tuple(told) == everything.payments
        await scene.house.pay_funding("0.0004")
        later = await venue.funding_payments(everything.cursor, pairs)
        assert len(later.payments) == 1

    run_perpetual(scenario)


def test_the_stream_says_that_holdings_changed(run_perpetual: Run) -> None:
    async def scenario(scene: Scene) -> None:
        stream = scene.venue.updates()
        assert await anext(stream) == StreamConnected()
        await scene.venue.place(scene.taking("a"))
        async with asyncio.timeout(60):
            async for update in stream:
                if isinstance(update, HoldingsChanged):
                    break
        assert await held(scene) == {"LONG": scene.terms.quantity}

    run_perpetual(scenario)


def test_the_funding_to_come_is_told(run_perpetual: Run) -> None:
    async def scenario(scene: Scene) -> None:
        now_us = await scene.venue.time_us()
        told = await scene.market.funding_info(scene.pair)
        assert told.pair == scene.pair
        assert told.rate is not None
        assert told.mark_price is not None
        assert told.next_at_us is not None
        assert told.next_at_us > now_us

    run_perpetual(scenario)
