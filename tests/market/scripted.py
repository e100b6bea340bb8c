"""A public venue that answers what a test has laid down, counts what it is asked, and can be away.

Its candles keep a ledger of truth: what it shows is what has happened by its clock.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Collection, Mapping
from decimal import Decimal

from msgspec import structs

from adapters.venues.market_port import FundingInfo, MarketUpdate, PublicTrade, Topic
from adapters.venues.port import (
    Candle,
    OrderBook,
    Ticker,
    TradingRule,
    VenueRefused,
    VenueUnreachable,
)


class ScriptedVenue:
    is_perpetual = False
    intervals: tuple[str, ...] = ("1s", "1m", "1h", "1d", "1w", "1M")

    def __init__(self, *rules: TradingRule, name: str = "paper") -> None:
        self.name = name
        self.rules = rules
        self.books: dict[str, OrderBook] = {}
        self.pair_tickers: dict[str, Ticker] = {}
        self.funding: dict[str, FundingInfo] = {}
        self.bars: Mapping[int, Candle] = {}
        """By start, as they are in the end."""
        self.bar_us = 60_000_000
        self.now_us = 0
        self.lag_us = 0
        """A candle is told so long after it has begun."""
        self.amends_us = 0
        """Until so long after its end a candle is other than in the end."""
        self.fails_after: int | None = None
        """So many more answers, then none but one."""
        self.page_max = 1000
        self.limit_max: int | None = None
        self.rules_age_seconds = 0.0
        self.asked: Counter[str] = Counter()
        self.is_away = False
        self.refusal: VenueRefused | None = None
        self.gate: asyncio.Event | None = None
        """While it is there and not set, every answer waits for it."""
        self.is_closed = False

    async def trading_rules(self) -> tuple[TradingRule, ...]:
        await self._asked("rules")
        return self.rules

    async def tickers(self, pairs: Collection[str] | None = None) -> tuple[Ticker, ...]:
        await self._asked("tickers")
        wanted = self.pair_tickers if pairs is None else pairs
        return tuple(self.pair_tickers[pair] for pair in wanted if pair in self.pair_tickers)

    async def order_book(self, pair: str, depth: int = 10) -> OrderBook:
        await self._asked("book")
        book = self.books.get(pair)
        if book is None:
            raise VenueRefused("unknown_pair", f"{pair} is not traded here")
        return OrderBook(
            pair=pair, bids=book.bids[:depth], asks=book.asks[:depth], at_us=book.at_us
        )

    async def trades(self, pair: str, limit: int = 100) -> tuple[PublicTrade, ...]:
        await self._asked("trades")
        raise VenueRefused("not_supported", f"no trades of {pair}, not even {limit}")

    async def candles(
        self, pair: str, interval: str, start_us: int | None = None, limit: int = 500
    ) -> tuple[Candle, ...]:
        await self._asked(f"candles {interval}")
        if self.rules and pair not in {rule.pair for rule in self.rules}:
            raise VenueRefused("unknown_pair", f"{pair} is not traded here")
        if self.limit_max is not None and limit > self.limit_max:
            raise VenueRefused("too_many_candles", f"{limit} are more than {self.limit_max}")
        told = self.told()
        size = min(limit, self.page_max)
        if start_us is None:
            return tuple(told[-size:])
        return tuple([bar for bar in told if bar.start_us >= start_us][:size])

    def told(self) -> list[Candle]:
        """What it says now, oldest first."""
        amended_us = self.now_us - self.bar_us - self.amends_us
        return [
            bar if start <= amended_us else structs.replace(bar, close=bar.close * 2)
            for start, bar in sorted(self.bars.items())
            if start + self.lag_us <= self.now_us
        ]

    async def funding_info(self, pair: str) -> FundingInfo:
        await self._asked("funding")
        if pair not in self.funding:
            raise VenueRefused("unknown_pair", f"{pair} is not traded here")
        return self.funding[pair]

    async def watch(self, pair: str, topics: Collection[Topic]) -> AsyncIterator[MarketUpdate]:
        raise VenueRefused("not_supported", f"no stream of {pair} {topics}")
        yield  # pragma: no cover - makes this a generator

    async def close(self) -> None:
        self.is_closed = True

    async def _asked(self, what: str) -> None:
        self.asked[what] += 1
        if self.gate is not None:
            await self.gate.wait()
        if self.fails_after is not None:
            self.fails_after -= 1
            if self.fails_after < 0:
                self.fails_after = None
                raise VenueUnreachable("nobody answers just now")
        if self.is_away:
            raise VenueUnreachable("nobody answers")
        if self.refusal is not None:
            raise self.refusal


def book(pair: str, bids: Mapping[str, str], asks: Mapping[str, str]) -> OrderBook:
    """Levels as `{price: amount}`, best first."""
    return OrderBook(
        pair=pair,
        bids=tuple((Decimal(price), Decimal(amount)) for price, amount in bids.items()),
        asks=tuple((Decimal(price), Decimal(amount)) for price, amount in asks.items()),
        at_us=1_700_000_000_500_000,
    )


def ticker(
    pair: str, last: str, quote_volume: str | None = None, at_us: int = 1_700_000_000_000_000
) -> Ticker:
    price = Decimal(last)
    return Ticker(
        pair=pair,
        bid=price,
        ask=price,
        last=price,
        at_us=at_us,
        base_volume=None,
        quote_volume=None if quote_volume is None else Decimal(quote_volume),
    )
