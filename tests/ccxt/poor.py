"""An exchange object of our own that answers as ccxt's do, for venues that have no double.

It knows what the poorer rows of the table promise: orders by number only, ids cut short, trades by
time. No venue's protocol is involved, so what plays with it proves the adapter's own logic only.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import pytest

from adapters.settings import Settings
from adapters.venues.ccxt import making
from adapters.venues.ccxt.perpetual import CcxtPerpetualVenue
from adapters.venues.ccxt.private import CcxtVenue
from adapters.venues.port import OrderRequest

PAIR, SYMBOL = "BTC-USDT", "BTC/USDT:USDT"
OURS = "avabcdefghijklmnopqrstuvwxyz"
NOW_MS = time.time_ns() // 1_000_000
TICK_SIZE = 4


class OrderNotFound(Exception):  # noqa: N818 - named and placed as ccxt's
    __module__ = "ccxt.base.errors"


class NetworkError(Exception):
    __module__ = "ccxt.base.errors"


class AuthenticationError(Exception):
    __module__ = "ccxt.base.errors"


class ArgumentsRequired(Exception):  # noqa: N818 - named and placed as ccxt's
    __module__ = "ccxt.base.errors"


class Poor:
    """An exchange object that knows little: contracts of 0.01 BTC, pages of `page` trades."""

    precisionMode = TICK_SIZE  # noqa: N815 - ccxt's name

    def __init__(self, *, is_terse: bool = True, page: int = 100) -> None:
        self.options: dict[str, Any] = {}
        self.markets: dict[str, Any] | None = None
        self.has = dict.fromkeys(("fetchOrder", "fetchOpenOrders", "fetchClosedOrders"), True)
        self.orders: dict[str, dict[str, Any]] = {}
        self.trades: list[dict[str, Any]] = []
        self.asked: list[str] = []
        self.streams: dict[str, asyncio.Queue[Any]] = {}
        self._is_terse = is_terse
        self._page = page

    async def load_markets(self) -> None:
        kind = {"active": True, "spot": True, "swap": True, "linear": True, "settle": "USDT"}
        limits = {"amount": {"min": "1", "max": None}, "cost": {"min": None}}
        precision = {"amount": "1", "price": "0.5"}
        market = {"symbol": SYMBOL, "base": "BTC", "quote": "USDT", "contractSize": "0.01"}
        self.markets = {SYMBOL: market | kind | {"limits": limits, "precision": precision}}

    def set_markets_from_exchange(self, source: "Poor") -> None:
        self.markets = source.markets

    async def close(self) -> None:
        return

    async def create_order(
        self, symbol: str, kind: str, side: str, amount: str, price: str, params: dict[str, Any]
    ) -> dict[str, Any]:
        number = str(len(self.orders) + 1)
        assert symbol == SYMBOL
        self.orders[number] = {
            "id": number,
            "clientOrderId": params["clientOrderId"],
            "symbol": symbol,
            "type": kind,
            "side": side,
            "amount": amount,
            "price": price,
            "filled": "0",
            "status": "open",
            "timestamp": NOW_MS,
            "lastUpdateTimestamp": None,
        }
        return {"id": number} if self._is_terse else self.orders[number]

    async def cancel_order(self, number: str | None, _symbol: str, params: Any) -> dict[str, Any]:
        self.asked.append(f"cancel {number} {params.get('clientOrderId')}")
        found = self.orders.get(str(number))
        if found is None:
            raise OrderNotFound(number)
        found["status"] = "canceled"
        return {"id": number}

    async def fetch_order(self, number: str, _symbol: str) -> dict[str, Any]:
        self.asked.append(f"order {number}")
        if number not in self.orders:
            raise OrderNotFound(number)
        return self.orders[number]

    async def fetch_open_orders(self, symbol: str | None = None) -> list[dict[str, Any]]:
        self.asked.append(f"open {symbol}")
        if symbol is None:
            raise ArgumentsRequired("fetchOpenOrders() requires a symbol argument")
        return [order for order in self.orders.values() if order["status"] == "open"]

    async def fetch_closed_orders(self, _symbol: str) -> list[dict[str, Any]]:
        return [order for order in self.orders.values() if order["status"] != "open"]

    async def fetch_my_trades(
        self, _symbol: str, since_ms: int, _limit: int | None = None
    ) -> list[dict[str, Any]]:
        return [each for each in self.trades if each["timestamp"] >= since_ms][: self._page]

    async def watch_orders(self) -> Any:
        return await self._watched("orders")

    async def watch_my_trades(self) -> Any:
        return await self._watched("trades")

    async def watch_order_book(self, _symbol: str) -> Any:
        return await self._watched("book")

    async def watch_trades(self, _symbol: str) -> Any:
        return await self._watched("public")

    async def _watched(self, topic: str) -> Any:
        told = await self.streams.setdefault(topic, asyncio.Queue()).get()
        if isinstance(told, Exception):
            raise told
        return told

    def tell(self, topic: str, told: object) -> None:
        """To whoever watches the topic; an exception is raised there."""
        self.streams.setdefault(topic, asyncio.Queue()).put_nowait(told)

    def trade(self, order: str, at_ms: int) -> None:
        self.trades.append(
            {
                "id": f"t{len(self.trades)}",
                "order": order,
                "symbol": SYMBOL,
                "side": "buy",
                "amount": "3",
                "price": "50000.5",
                "fee": {"cost": "-0.01", "currency": "USDT"},
                "takerOrMaker": "maker",
                "timestamp": at_ms,
            }
        )


def play(
    monkeypatch: pytest.MonkeyPatch,
    exchange: Poor,
    scenario: Callable[[CcxtVenue], Awaitable[None]],
    connector: str = "bybit",
) -> None:
    monkeypatch.setattr(making, "bare", lambda *_, **__: exchange)

    async def on_stage() -> None:
        perpetual = connector.endswith("_perpetual")
        kind = CcxtPerpetualVenue if perpetual else CcxtVenue
        venue = kind(Settings(), connector, {})
        try:
            await scenario(venue)
        finally:
            await venue.close()

    asyncio.run(on_stage())


def order(client_order_id: str = OURS, quantity: str = "0.03", seconds: float = 60) -> OrderRequest:
    return OrderRequest(
        client_order_id=client_order_id,
        pair=PAIR,
        side="BUY",
        order_type="LIMIT",
        quantity=Decimal(quantity),
        price=Decimal("50000.5"),
        expires_at_us=time.time_ns() // 1000 + int(seconds * 1_000_000),
    )
