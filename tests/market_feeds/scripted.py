"""A venue whose public stream says what the test says, when the test says it."""

# ruff: noqa: ARG002 - the port names them

import asyncio
from collections.abc import AsyncIterator, Collection
from decimal import Decimal

from adapters.venues.market_port import FundingInfo, MarketUpdate, PublicTrade, Topic
from adapters.venues.port import Candle, OrderBook, Ticker, TradingRule, VenueRefused
from api.market.venues import Venues

PAIR = "AAA-BBB"


def book(bid: int, ask: int, depth: int = 1) -> OrderBook:
    return OrderBook(
        pair=PAIR,
        bids=tuple((Decimal(bid - place), Decimal(1)) for place in range(depth)),
        asks=tuple((Decimal(ask + place), Decimal(1)) for place in range(depth)),
        at_us=1,
    )


def trade(name: int) -> PublicTrade:
    return PublicTrade(
        trade_id=str(name), side="SELL", quantity=Decimal(2), price=Decimal(3), at_us=name
    )


class Told:
    """What its stream says is put into `said`; an exception is raised."""

    name = "told"
    rules_age_seconds = 0.0
    intervals: tuple[str, ...] = ("1m",)
    is_perpetual = False

    def __init__(self) -> None:
        self.said: asyncio.Queue[MarketUpdate | Exception] = asyncio.Queue()
        self.recent: list[PublicTrade] = []
        self.rows: list[Candle] = []
        self.refusal: VenueRefused | None = None
        self.watched = 0
        self.asked: list[str] = []
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def trading_rules(self) -> tuple[TradingRule, ...]:
        return ()

    async def tickers(self, pairs: Collection[str] | None = None) -> tuple[Ticker, ...]:
        return ()

    async def order_book(self, pair: str, depth: int = 10) -> OrderBook:
        self.asked.append("book")
        return book(1, 2)

    async def trades(self, pair: str, limit: int = 100) -> tuple[PublicTrade, ...]:
        self.asked.append("trades")
        await self.may_answer.wait()
        return tuple(self.recent[-limit:])

    async def candles(
        self, pair: str, interval: str, start_us: int | None = None, limit: int = 500
    ) -> tuple[Candle, ...]:
        self.asked.append(f"candles from {start_us}, {limit}")
        if self.refusal is not None and (limit > 100 or self.refusal.code != "too_many"):
            raise self.refusal
        if start_us is None:
            return tuple(self.rows[-limit:])
        return tuple(row for row in self.rows if row.start_us >= start_us)[:limit]

    async def funding_info(self, pair: str) -> FundingInfo:
        raise VenueRefused("not_supported", pair)

    async def watch(self, pair: str, topics: Collection[Topic]) -> AsyncIterator[MarketUpdate]:
        self.watched += 1
        while True:
            said = await self.said.get()
            if isinstance(said, Exception):
                raise said
            yield said

    async def close(self) -> None:
        pass


def venues(venue: Told) -> Venues:
    async def make(_: str) -> Told:
        return venue

    return Venues(make, ("told",))
