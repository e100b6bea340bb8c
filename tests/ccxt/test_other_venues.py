"""The adapter at venues that are poorer than Binance, played by an exchange object of our own.

It answers in ccxt's dictionaries what the rows of the table promise: orders by number only, ids cut
short, trades by time. No venue's protocol is involved, so this proves the adapter's own logic only.
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
from adapters.venues.port import OrderRequest, VenueRefused, VenueTrade

PAIR, SYMBOL = "BTC-USDT", "BTC/USDT:USDT"
OURS = "avabcdefghijklmnopqrstuvwxyz"
NOW_MS = time.time_ns() // 1_000_000
TICK_SIZE = 4


class OrderNotFound(Exception):  # noqa: N818 - named and placed as ccxt's
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


def order(client_order_id: str = OURS, quantity: str = "0.03", seconds: float = 5) -> OrderRequest:
    return OrderRequest(
        client_order_id=client_order_id,
        pair=PAIR,
        side="BUY",
        order_type="LIMIT",
        quantity=Decimal(quantity),
        price=Decimal("50000.5"),
        expires_at_us=time.time_ns() // 1000 + int(seconds * 1_000_000),
    )


@pytest.mark.parametrize("is_terse", [True, False])
def test_an_answer_with_a_number_alone_is_an_open_order(
    monkeypatch: pytest.MonkeyPatch, is_terse: bool
) -> None:
    exchange = Poor(is_terse=is_terse)

    async def scenario(venue: CcxtVenue) -> None:
        placed = await venue.place(order())
        assert (placed.client_order_id, placed.exchange_order_id) == (OURS, "1")
        assert (placed.status, placed.quantity) == ("open", Decimal("0.03"))
        assert exchange.orders["1"]["amount"] == "3"
        seen = await venue.order(PAIR, OURS)
        assert seen is not None
        assert (seen.quantity, seen.price) == (placed.quantity, placed.price)
        assert exchange.asked == ["order 1"]

    play(monkeypatch, exchange, scenario)


def test_what_does_not_fit_a_contract_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(venue: CcxtVenue) -> None:
        for quantity, code in (("0.035", "bad_lot"), ("0.001", "below_min_quantity")):
            with pytest.raises(VenueRefused) as caught:
                await venue.place(order(quantity=quantity))
            assert caught.value.code == code

    play(monkeypatch, Poor(), scenario)


def test_a_request_that_is_late_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    exchange = Poor()

    async def scenario(venue: CcxtVenue) -> None:
        assert not venue.traits.has_request_expiry
        with pytest.raises(VenueRefused) as caught:
            await venue.place(order(seconds=-1))
        assert caught.value.code == "request_expired"
        assert exchange.orders == {}

    play(monkeypatch, exchange, scenario)


def test_without_the_number_orders_are_read_through(monkeypatch: pytest.MonkeyPatch) -> None:
    exchange = Poor()

    async def before(venue: CcxtVenue) -> None:
        await venue.place(order())
        await venue.place(order("other"))
        await venue.cancel(PAIR, "other")

    async def after(venue: CcxtVenue) -> None:
        exchange.asked.clear()
        assert await venue.order(PAIR, "never") is None
        seen = await venue.order(PAIR, OURS)
        assert seen is not None
        assert seen.status == "open"
        closed = await venue.order(PAIR, "other")
        assert closed is not None
        assert closed.status == "cancelled"
        assert (await venue.cancel(PAIR, "other")).status == "cancelled"
        assert not [each for each in exchange.asked if each.startswith("cancel")]
        assert (await venue.cancel(PAIR, OURS)).status == "cancelled"
        assert exchange.asked[-2:] == ["cancel 1 None", "order 1"]
        with pytest.raises(VenueRefused, match="unknown_order"):
            await venue.cancel(PAIR, "never")

    play(monkeypatch, exchange, before)
    play(monkeypatch, exchange, after)


def test_open_orders_are_asked_for_pair_by_pair(monkeypatch: pytest.MonkeyPatch) -> None:
    exchange = Poor()

    async def scenario(venue: CcxtVenue) -> None:
        assert await venue.open_orders() == ()
        await venue.trades_since(None, [PAIR])
        await venue.place(order())
        assert [seen.client_order_id for seen in await venue.open_orders()] == [OURS]

    play(monkeypatch, exchange, scenario)


def test_an_id_cut_short_is_ours_again_for_who_sent_it(monkeypatch: pytest.MonkeyPatch) -> None:
    exchange = Poor(is_terse=False)

    async def scenario(venue: CcxtVenue) -> None:
        await venue.trades_since(None, [PAIR])
        exchange.orders["7"] = {
            **(
                await exchange.create_order(
                    SYMBOL, "limit", "buy", "3", "1", {"clientOrderId": "x"}
                )
            ),
            "id": "7",
            "clientOrderId": OURS[:18],
        }
        assert OURS[:18] in [seen.client_order_id for seen in await venue.open_orders()]
        await venue.place(order())
        assert exchange.orders["3"]["clientOrderId"] == OURS[:18]
        assert OURS in [seen.client_order_id for seen in await venue.open_orders()]

    play(monkeypatch, exchange, scenario, "kraken")


@pytest.mark.parametrize("limit", [1, 2, 3, 50])
@pytest.mark.parametrize("page", [3, 100])
def test_trades_by_time_are_each_told_once(
    monkeypatch: pytest.MonkeyPatch, limit: int, page: int
) -> None:
    """Also those of one millisecond, as long as a page of the venue holds them."""
    exchange = Poor(page=page)
    times = (-90_000_000, -5000, -4000, -4000, -4000, -3000, -2000, -2000, -1)

    async def scenario(venue: CcxtVenue) -> None:
        await venue.place(order())
        for offset in times:
            exchange.trade("1", NOW_MS + offset)
        told: list[VenueTrade] = []
        cursor, has_more = None, True
        while has_more:
            read = await venue.trades_since(cursor, [PAIR], limit=limit)
            assert len(read.trades) <= limit
            told += read.trades
            cursor, has_more = read.cursor, read.has_more
        assert [trade.trade_id for trade in told] == [f"t{n}" for n in range(1, len(times))]
        assert {trade.client_order_id for trade in told} == {OURS}
        assert {trade.quantity for trade in told} == {Decimal("0.03")}
        assert {(trade.fee, trade.is_maker) for trade in told} == {(Decimal("-0.01"), True)}
        assert (await venue.trades_since(cursor, [PAIR])).trades == ()
        exchange.trade("1", NOW_MS)
        later = await venue.trades_since(cursor, [PAIR])
        assert [trade.trade_id for trade in later.trades] == [f"t{len(times)}"]

    play(monkeypatch, exchange, scenario)


def test_a_trade_of_an_order_that_the_venue_forgot_is_nobodys(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    exchange = Poor()

    async def scenario(venue: CcxtVenue) -> None:
        exchange.trade("99", NOW_MS)
        (trade,) = (await venue.trades_since(None, [PAIR])).trades
        assert trade.client_order_id == ""
        await venue.trades_since(None, [PAIR])
        assert exchange.asked == ["order 99"]

    play(monkeypatch, exchange, scenario)


def test_a_venue_that_cannot_tell_its_position_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    exchange = Poor()

    async def scenario(venue: CcxtVenue) -> None:
        assert isinstance(venue, CcxtPerpetualVenue)
        assert (await venue.place(order())).status == "open"
        for act in (
            venue.position_mode(),
            venue.set_leverage(PAIR, 3),
            venue.set_position_mode("HEDGE"),
            venue.funding_payments(None, [PAIR]),
        ):
            with pytest.raises(VenueRefused) as caught:
                await act
            assert caught.value.code == "not_supported"

    play(monkeypatch, exchange, scenario, "bybit_perpetual")
