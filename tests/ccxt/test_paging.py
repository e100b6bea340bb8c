"""Reading on through trades and payments of accounts that have many orders, or many pairs."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from adapters.venues.ccxt import calling, private
from adapters.venues.ccxt.perpetual import CcxtPerpetualVenue
from adapters.venues.ccxt.private import CcxtVenue
from tests.ccxt.poor import NOW_MS, PAIR, SYMBOL, Poor, play

PAIRS = [f"C{number}-USDT" for number in range(12)]
CALL_SECONDS = 1.0
ANSWER_SECONDS = 0.1


class Sparse(Poor):
    """Binance's ways: one order of ten was traded, and orders are told ten at a time."""

    async def fetch_my_trades(
        self, symbol: str, _since_ms: Any, limit: int | None = None, params: Any = None
    ) -> list[dict[str, Any]]:
        assert symbol == SYMBOL
        first = max(params["fromId"], 1)
        return [self.dealt(number) for number in range(first, 9)][:limit]

    async def fetch_orders(
        self, _symbol: str, _since_ms: Any, _limit: int, params: Any
    ) -> list[dict[str, Any]]:
        first = int(params["orderId"])
        self.asked.append(f"orders {first}")
        return [
            {"id": str(number), "clientOrderId": f"av{number}"}
            for number in range(first, first + 10)
        ]

    def dealt(self, number: int) -> dict[str, Any]:
        self.trade(str(10 * number), NOW_MS)
        return self.trades[-1] | {"id": str(number)}


def test_fills_are_ours_however_many_orders_lie_between_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(private, "_REMEMBERED_MAX", 20)

    async def scenario(venue: CcxtVenue) -> None:
        page = await venue.trades_since(None, [PAIR])
        ours = [f"av{10 * number}" for number in range(1, 9)]
        assert [trade.client_order_id for trade in page.trades] == ours

    play(monkeypatch, Sparse(), scenario, "binance_perpetual")


class Many(Poor):
    """Takes its time for every pair, and has paid each once."""

    def __init__(self) -> None:
        super().__init__()
        self.has["fetchFundingHistory"] = True

    async def load_markets(self) -> None:
        await super().load_markets()
        assert self.markets is not None
        one = self.markets[SYMBOL]
        self.markets = {
            f"{pair}:USDT": one | {"symbol": f"{pair}:USDT", "base": pair.removesuffix("-USDT")}
            for pair in PAIRS
        }

    async def fetch_my_trades(
        self, symbol: str, since_ms: int, _limit: int | None = None
    ) -> list[dict[str, Any]]:
        await asyncio.sleep(ANSWER_SECONDS)
        self.trades.clear()
        self.trade("1", NOW_MS)
        return [self.trades[0] | {"id": symbol, "symbol": symbol}] if since_ms < NOW_MS else []

    async def fetch_open_orders(self, symbol: str | None = None) -> list[dict[str, Any]]:
        await asyncio.sleep(ANSWER_SECONDS)
        return await super().fetch_open_orders(symbol)

    async def fetch_funding_history(
        self, symbol: str, since_ms: int, _limit: int
    ) -> Sequence[dict[str, Any]]:
        await asyncio.sleep(ANSWER_SECONDS)
        payment = {"id": symbol, "amount": "1", "code": "USDT", "timestamp": NOW_MS}
        return [payment] if since_ms < NOW_MS else []


def test_accounts_with_more_pairs_than_a_call_has_time_for_are_read_to_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert ANSWER_SECONDS * len(PAIRS) > CALL_SECONDS
    monkeypatch.setattr(calling, "LIMIT_SECONDS", CALL_SECONDS)
    exchange = Many()

    async def scenario(venue: CcxtVenue) -> None:
        assert isinstance(venue, CcxtPerpetualVenue)
        trades = (await venue.trades_since(None, PAIRS)).trades
        assert {trade.pair for trade in trades} == set(PAIRS)
        assert await venue.open_orders() == ()
        assert len([asked for asked in exchange.asked if "open" in asked]) == 1 + len(PAIRS)
        payments = (await venue.funding_payments(None, PAIRS)).payments
        assert {payment.pair for payment in payments} == set(PAIRS)

    play(monkeypatch, exchange, scenario, "bybit_perpetual")
