"""Orders that a venue refuses end as FAILED, with its words, and lock nothing."""

from typing import Any

import pytest

from tests.client.shapes import ORDER, check
from tests.client.stand import Ground, Stand, place, settled

pytestmark = pytest.mark.postgres

# Beyond what the account can pay, within what the pair allows.
TOO_MUCH = {"paper": 1_000_000.0, "binance": 8_000.0, "binance_perpetual": 900.0}
CROSSING = {"paper": 2.0, "binance": 90_000.0, "binance_perpetual": 90_000.0}


async def failed(client: Any, ground: Ground, **fields: Any) -> str:
    """The reason that the order's row tells."""
    placed = await place(client, ground, **fields)
    row = await settled(client, placed["order_id"], "FAILED")
    check(row, ORDER)
    assert row["filled_amount"] == 0
    assert row["error_message"]
    return str(row["error_message"])


def test_what_cannot_be_paid_for_has_failed(stand: Stand, ground: Ground) -> None:
    async def scene(client: Any) -> None:
        price = CROSSING[ground.connector] if ground.connector == "paper" else ground.far_price
        amount = TOO_MUCH[ground.connector]
        reason = await failed(client, ground, amount=amount, price=price)
        assert "insufficient" in reason.lower(), reason

    stand.play(scene)


def test_a_post_only_order_that_would_take_has_failed(stand: Stand, ground: Ground) -> None:
    async def scene(client: Any) -> None:
        price = CROSSING[ground.connector]
        reason = await failed(client, ground, order_type="LIMIT_MAKER", price=price)
        words = reason.lower()
        assert "cross" in words or "immediately" in words or "maker" in words, reason

    stand.play(scene)


def test_the_exchange_was_asked_once_for_each(stand: Stand) -> None:
    for market, account in (("spot", "spot_trader"), ("futures", "future_trader")):
        told = stand.exchange.control("ledger", account=account, market=market)
        sent = [row["client_order_id"] for row in told["requests"] if row["method"] == "POST"]
        assert len(sent) == len(set(sent))
