"""What every implementation of the port `Venue` must do with trades and money."""

from decimal import Decimal

import pytest

from adapters.venues.port import Side, VenueTrade
from tests.venues.conftest import Run
from tests.venues.stage import Scene


async def all_trades(scene: Scene, cursor: str | None, limit: int) -> list[VenueTrade]:
    seen: list[VenueTrade] = []
    while True:
        page = await scene.venue.trades_since(cursor, [scene.pair], limit=limit)
        assert len(page.trades) <= limit
        seen += page.trades
        cursor = page.cursor
        if not page.has_more:
            return seen


@pytest.mark.parametrize("limit", [1, 2, 500])
def test_pages_of_trades_tell_each_once_in_order(run: Run, limit: int) -> None:
    async def scenario(scene: Scene) -> None:
        for name in ("a", "b", "c", "d"):
            await scene.venue.place(scene.taking(name))
        everything = (await scene.venue.trades_since(None, [scene.pair])).trades
        assert {trade.client_order_id for trade in everything} == {"a", "b", "c", "d"}
        sequences = [trade.sequence for trade in everything]
        assert sequences == sorted(set(sequences))
        assert tuple(await all_trades(scene, None, limit)) == everything

    run(scenario)


def test_after_a_cursor_come_only_later_trades(run: Run) -> None:
    async def scenario(scene: Scene) -> None:
        await scene.venue.place(scene.taking("a"))
        first = await scene.venue.trades_since(None, [scene.pair])
        assert first.trades
        assert await all_trades(scene, first.cursor, 500) == []
        await scene.venue.place(scene.taking("b"))
        later = await all_trades(scene, first.cursor, 500)
        assert later
        assert {trade.client_order_id for trade in later} == {"b"}

    run(scenario)


def test_the_stream_and_the_pages_tell_the_same_trades(run: Run) -> None:
    async def scenario(scene: Scene) -> None:
        await scene.venue.place(scene.taking("a"))
        page = await scene.venue.trades_since(None, [scene.pair])
        assert page.trades == await scene.venue.trades_of(scene.pair, "a")

    run(scenario)


def test_a_resting_order_locks_its_money_and_a_cancel_gives_it_back(run_spot: Run) -> None:
    async def scenario(scene: Scene) -> None:
        before = await scene.venue.balances()
        await scene.venue.place(scene.order("a"))
        balances = {seen.token: seen for seen in await scene.venue.balances()}
        quote = balances[scene.terms.quote]
        assert quote.total - quote.available == scene.terms.quantity * scene.terms.low
        await scene.venue.cancel(scene.pair, "a")
        assert await scene.venue.balances() == before

    run_spot(scenario)


@pytest.mark.parametrize("side", ["BUY", "SELL"])
def test_a_filled_order_moves_the_money_that_its_trades_tell(run_spot: Run, side: Side) -> None:
    async def scenario(scene: Scene) -> None:
        base, quote = scene.terms.base, scene.terms.quote
        before = {seen.token: seen.total for seen in await scene.venue.balances()}
        await scene.venue.place(scene.taking("a", side))
        trades = await scene.venue.trades_of(scene.pair, "a")
        after = {seen.token: seen.total for seen in await scene.venue.balances()}
        sign = 1 if side == "BUY" else -1
        moved = {base: Decimal(0), quote: Decimal(0)}
        for trade in trades:
            moved[base] += sign * trade.quantity
            moved[quote] -= sign * trade.quantity * trade.price
            moved[trade.fee_token] -= trade.fee
        assert {token: after[token] - before[token] for token in moved} == moved

    run_spot(scenario)


def test_a_credential_that_is_good_has_access(run: Run) -> None:
    async def scenario(scene: Scene) -> None:
        access = await scene.venue.access()
        assert access.can_trade in (True, None)
        assert access.can_withdraw in (False, None)

    run(scenario)
