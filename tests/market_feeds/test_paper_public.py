"""The paper venue's public side, through its client: books, the tape, the stream of both."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from adapters.venues.market_port import (
    BookUpdate,
    FeedConnected,
    MarketUpdate,
    PublicTrade,
    Topic,
    TradesUpdate,
)
from adapters.venues.paper.public import PaperMarket
from adapters.venues.port import OrderBook, VenueRefused
from tests.venues.paper_process import PAIR, PaperProcess, order, running

BOOK: tuple[Topic, ...] = ("book",)
TRADES: tuple[Topic, ...] = ("trades",)


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PaperProcess]:
    with running(tmp_path_factory.mktemp("venue")) as process:
        yield process


async def next_book(updates: AsyncIterator[MarketUpdate]) -> OrderBook:
    async with asyncio.timeout(60):
        while True:
            update = await anext(updates)
            if isinstance(update, BookUpdate):
                return update.book


async def next_trade(updates: AsyncIterator[MarketUpdate], *, of_users: bool) -> PublicTrade:
    async with asyncio.timeout(60):
        while True:
            update = await anext(updates)
            if isinstance(update, TradesUpdate):
                for trade in update.trades:
                    if trade.trade_id.startswith("p") != of_users:
                        return trade


def test_a_watcher_hears_that_it_is_connected_then_the_whole_book(venue: PaperProcess) -> None:
    async def scenario() -> None:
        market = PaperMarket(venue.url)
        updates = market.watch(PAIR, BOOK)
        assert await anext(updates) == FeedConnected()
        book = await next_book(updates)
        assert (book.pair, len(book.bids), len(book.asks)) == (PAIR, 20, 20)
        assert book.bids[0][0] < book.asks[0][0]
        await market.close()

    asyncio.run(scenario())


def test_a_book_is_told_again_when_it_has_changed(venue: PaperProcess) -> None:
    async def scenario() -> None:
        market = PaperMarket(venue.url)
        updates = market.watch(PAIR, BOOK)
        await asyncio.to_thread(venue.price, "1.5")
        async with asyncio.timeout(60):
            while (await next_book(updates)).asks[0][0] < Decimal("1.5"):
                pass
        await asyncio.to_thread(venue.price, "1.1")
        async with asyncio.timeout(60):
            while (book := await next_book(updates)).asks[0][0] > Decimal("1.2"):
                pass
        assert book.bids[0][0] < Decimal("1.1") < book.asks[0][0]
        await market.close()

    asyncio.run(scenario())


def test_a_fill_is_on_the_tape_once_with_the_takers_side(venue: PaperProcess) -> None:
    async def scenario() -> None:
        market, trader = PaperMarket(venue.url), venue.venue("taker")
        updates = market.watch(PAIR, TRADES)
        assert await anext(updates) == FeedConnected()
        await trader.place(order("public-1", "SELL", "12.5", price=None))
        trade = await next_trade(updates, of_users=True)
        assert (trade.side, trade.quantity) == ("SELL", Decimal("12.5"))
        tape = await market.trades(PAIR, 1000)
        assert [told for told in tape if told.trade_id == trade.trade_id] == [trade]
        await trader.close()
        await market.close()

    asyncio.run(scenario())


def test_two_users_who_trade_are_one_trade_on_the_tape(venue: PaperProcess) -> None:
    async def scenario() -> None:
        market = PaperMarket(venue.url)
        maker, taker = venue.venue("maker-2"), venue.venue("taker-2")
        await asyncio.to_thread(venue.price, "1.2")
        updates = market.watch(PAIR, TRADES)
        assert await anext(updates) == FeedConnected()
        await maker.place(order("rests", "SELL", "3", "1.2"))
        await taker.place(order("takes", "BUY", "3", "1.2"))
        trade = await next_trade(updates, of_users=True)
        assert (trade.side, trade.price) == ("BUY", Decimal("1.2"))
        tape = await market.trades(PAIR, 1000)
        assert sum(told.trade_id == trade.trade_id for told in tape) == 1
        for side in (maker, taker, market):
            await side.close()

    asyncio.run(scenario())


def test_a_quiet_market_prints_at_the_best_price_and_moves_no_money(venue: PaperProcess) -> None:
    async def scenario() -> None:
        market = PaperMarket(venue.url)
        await asyncio.to_thread(venue.price, "1.3")
        updates = market.watch(PAIR, TRADES)
        trade = await next_trade(updates, of_users=False)
        book = await market.order_book(PAIR, 1)
        best = book.asks if trade.side == "BUY" else book.bids
        assert trade.price == best[0][0]
        assert best[0][1] == 100_000  # Nothing was taken from the level.
        await market.close()

    asyncio.run(scenario())


def test_what_is_not_traded_is_refused_with_its_code(venue: PaperProcess) -> None:
    async def scenario() -> None:
        market = PaperMarket(venue.url)
        with pytest.raises(VenueRefused, match="unknown_pair"):
            await anext(market.watch("BTC-USDT", BOOK))
        with pytest.raises(VenueRefused, match="unknown_pair"):
            await market.trades("BTC-USDT")
        with pytest.raises(VenueRefused, match="not_supported"):
            await market.funding_info(PAIR)
        await market.close()

    asyncio.run(scenario())


def test_a_watcher_outlives_its_venue(tmp_path: Path) -> None:
    async def scenario(process: PaperProcess) -> None:
        port = process.url.rpartition(":")[2]
        market = PaperMarket(process.url)
        updates = market.watch(PAIR, BOOK)
        assert await anext(updates) == FeedConnected()
        await next_book(updates)
        process.kill()
        again = PaperProcess(tmp_path, "--port", port)
        await asyncio.to_thread(again.start)
        try:
            async with asyncio.timeout(60):
                while await anext(updates) != FeedConnected():
                    pass
            await next_book(updates)
        finally:
            again.kill()
            await market.close()

    with running(tmp_path) as process:
        asyncio.run(scenario(process))
