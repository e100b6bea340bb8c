"""What fills while the private stream is gone, or is told wrongly, is seen all the same."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.client.stand import GROUNDS, Ground, Stand, place, settled

pytestmark = pytest.mark.postgres

CONNECTORS = ("binance", "binance_perpetual")


async def _cut(stand: Stand, ground: Ground) -> None:
    await stand.control("cut", account=ground.account)


async def _expire(stand: Stand, ground: Ground) -> None:
    await stand.control("expire", account=ground.account, market=ground.market)


async def _shutdown(stand: Stand, ground: Ground) -> None:
    await stand.control("shutdown")
    await stand.control("cut", account=ground.account)


async def _lose(stand: Stand, ground: Ground) -> None:
    await _fault(stand, ground, "lose_message")


async def _double(stand: Stand, ground: Ground) -> None:
    await _fault(stand, ground, "duplicate_message")


async def _reorder(stand: Stand, ground: Ground) -> None:
    await _fault(stand, ground, "reorder_message")


async def _fault(stand: Stand, ground: Ground, kind: str) -> None:
    rule = {"kind": kind, "execution": "TRADE", "times": 2}
    await asyncio.to_thread(lambda: stand.exchange.faults(ground.account, rule))


@pytest.mark.parametrize("connector", CONNECTORS)
@pytest.mark.parametrize("harm", [_cut, _expire, _shutdown, _lose, _double, _reorder])
def test_fills_are_counted_once_each(
    stand: Stand, connector: str, harm: Callable[[Stand, Ground], Awaitable[None]]
) -> None:
    ground = GROUNDS[connector]

    async def scene(client: Any) -> None:
        placed = await place(client, ground)
        order_id = placed["order_id"]
        await settled(client, order_id, "OPEN")
        await harm(stand, ground)
        await stand.control(
            "fill",
            account=ground.account,
            market=ground.market,
            client_order_id=order_id,
            quantity=str(ground.amount / 4),
            count=4,
        )
        row = await settled(client, order_id, "FILLED")
        assert row["filled_amount"] == ground.amount
        trades = await client.trading.get_trades(
            account_names=[ground.account], connector_names=[ground.connector], limit=1_000
        )
        ours = [trade for trade in trades["data"] if trade["order_id"] == order_id]
        assert len(ours) == len({trade["trade_id"] for trade in ours}) == 4
        await asyncio.to_thread(lambda: stand.exchange.faults(ground.account))

    stand.play(scene)
