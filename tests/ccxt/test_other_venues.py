"""The adapter at venues that are poorer than Binance (see poor.py)."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from adapters.venues.ccxt.perpetual import CcxtPerpetualVenue
from adapters.venues.ccxt.private import CcxtVenue
from adapters.venues.port import VenueRefused, VenueTrade, VenueUnreachable
from tests.ccxt.poor import NOW_MS, OURS, PAIR, SYMBOL, Poor, order, play


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


@pytest.mark.parametrize("answer", [{"id": None}, {"id": ""}, {}, [], None, "ok"])
def test_an_answer_that_names_no_order_proves_nothing(
    monkeypatch: pytest.MonkeyPatch, answer: object
) -> None:
    """ccxt makes `id: None` of any JSON that comes with a status of 200."""

    class Vague(Poor):
        async def create_order(self, *about: Any) -> Any:
            await super().create_order(*about)
            return answer

        async def fetch_closed_orders(self, _symbol: str) -> Any:
            return [self.orders["1"] | {"id": None}]

        async def fetch_open_orders(self, _symbol: str | None = None) -> Any:
            return []

    async def scenario(venue: CcxtVenue) -> None:
        with pytest.raises(VenueUnreachable):
            await venue.place(order())
        with pytest.raises(VenueUnreachable):
            await venue.order(PAIR, OURS)

    play(monkeypatch, Vague(), scenario)


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


def test_orders_that_wait_for_the_position_mode_ask_for_it_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """At Binance the answer weighs as much as seven orders, and all wait for one rate limit."""

    class TellsMode(Poor):
        async def fetch_position_mode(self, _symbol: str) -> dict[str, bool]:
            self.asked.append("mode")
            await asyncio.sleep(0.01)
            return {"hedged": False}

        def nonce(self) -> int:
            return NOW_MS

    exchange = TellsMode()
    exchange.has["fetchPositionMode"] = True

    async def scenario(venue: CcxtVenue) -> None:
        await asyncio.gather(*(venue.place(order(f"{OURS[:-1]}{n}")) for n in range(5)))
        assert (len(exchange.orders), exchange.asked) == (5, ["mode"])

    play(monkeypatch, exchange, scenario, "binance_perpetual")
