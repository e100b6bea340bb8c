"""The streams of ccxt.pro, told by an exchange object of our own (see poor.py)."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal

import pytest

from adapters.settings import Settings
from adapters.venues.ccxt import making
from adapters.venues.ccxt.private import CcxtVenue
from adapters.venues.ccxt.public import CcxtMarket
from adapters.venues.market_port import (
    BookUpdate,
    FeedConnected,
    FeedLost,
    MarketUpdate,
    Topic,
    TradesUpdate,
)
from adapters.venues.port import (
    HoldingsChanged,
    OrderUpdate,
    StreamConnected,
    TradeUpdate,
    VenueRefused,
)
from tests.ccxt.poor import (
    NOW_MS,
    OURS,
    PAIR,
    SYMBOL,
    AuthenticationError,
    NetworkError,
    Poor,
    order,
    play,
)


def test_orders_and_trades_are_told_and_a_broken_stream_comes_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    exchange = Poor(is_terse=False)

    async def scenario(venue: CcxtVenue) -> None:
        stream = venue.updates()
        assert await anext(stream) == StreamConnected()
        await venue.place(order())
        exchange.tell("orders", [exchange.orders["1"]])
        told = await anext(stream)
        assert isinstance(told, OrderUpdate)
        assert (told.order.client_order_id, told.order.quantity) == (OURS, Decimal("0.03"))
        exchange.trade("1", NOW_MS)
        exchange.trade("stranger", NOW_MS)
        exchange.tell("trades", exchange.trades)
        told = await anext(stream)
        assert isinstance(told, TradeUpdate)
        assert told.trade in (await venue.trades_since(None, [PAIR])).trades
        assert await anext(stream) == HoldingsChanged()
        exchange.tell("trades", NetworkError("cut"))
        assert await anext(stream) == StreamConnected()
        exchange.tell("orders", AuthenticationError("the key is gone"))
        with pytest.raises(VenueRefused, match="bad_credential"):
            await anext(stream)

    play(monkeypatch, exchange, scenario)


def test_closing_ends_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(venue: CcxtVenue) -> None:
        stream = venue.updates()
        assert await anext(stream) == StreamConnected()
        rest = asyncio.ensure_future(anext(stream, None))
        await asyncio.sleep(0)
        await venue.close()
        async with asyncio.timeout(30):
            assert await rest is None

    play(monkeypatch, Poor(), scenario)


def test_a_venue_without_a_stream_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(venue: CcxtVenue) -> None:
        assert not venue.traits.has_user_stream
        with pytest.raises(VenueRefused, match="not_supported"):
            await anext(venue.updates())

    play(monkeypatch, Poor(), scenario, "gemini")


def feed_of(monkeypatch: pytest.MonkeyPatch, exchange: Poor) -> CcxtMarket:
    monkeypatch.setattr(making, "bare", lambda *_, **__: exchange)
    return CcxtMarket(Settings(), "bybit")


def test_books_of_floats_are_told_as_the_venue_wrote_them(monkeypatch: pytest.MonkeyPatch) -> None:
    exchange = Poor()
    exchange.has |= {"watchOrderBook": True, "watchTrades": True}
    market = feed_of(monkeypatch, exchange)

    async def scenario() -> None:
        feed: AsyncIterator[MarketUpdate] = market.watch(PAIR, ("book", "trades"))
        assert await anext(feed) == FeedConnected()
        book = {"bids": [[0.1, 3.0], [0.07, 1.0]], "asks": [[1234567.89012345, 2.0]]}
        exchange.tell("book", book | {"timestamp": NOW_MS})
        told = await anext(feed)
        assert isinstance(told, BookUpdate)
        assert told.book.bids == (
            (Decimal("0.1"), Decimal("0.03")),
            (Decimal("0.07"), Decimal("0.01")),
        )
        assert told.book.asks == ((Decimal("1234567.89012345"), Decimal("0.02")),)
        trade = {"id": "1", "symbol": SYMBOL, "side": "sell", "price": 0.3, "amount": 7.0}
        exchange.tell("public", [trade | {"timestamp": NOW_MS}])
        told = await anext(feed)
        assert isinstance(told, TradesUpdate)
        assert (told.trades[0].price, told.trades[0].quantity) == (Decimal("0.3"), Decimal("0.07"))
        exchange.tell("book", NetworkError("cut"))
        assert await anext(feed) == FeedLost()
        assert await anext(feed) == FeedConnected()
        rest = asyncio.ensure_future(anext(feed, None))
        await asyncio.sleep(0)
        await market.close()
        async with asyncio.timeout(30):
            assert await rest is None

    asyncio.run(scenario())


def test_a_feed_that_ccxt_has_not_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    market = feed_of(monkeypatch, Poor())
    books: tuple[Topic, ...] = ("book",)

    async def scenario() -> None:
        with pytest.raises(VenueRefused, match="no stream of book"):
            await anext(market.watch(PAIR, books))
        with pytest.raises(VenueRefused, match="unknown_pair"):
            await anext(market.watch("XXX-YYY", books))
        await market.close()

    asyncio.run(scenario())
