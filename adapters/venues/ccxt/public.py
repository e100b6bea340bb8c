"""What anybody may ask a real venue: the port `PublicVenue` over ccxt."""

import time
from collections.abc import AsyncIterator, Collection, Mapping
from decimal import Decimal
from typing import Any

from adapters.settings import Settings
from adapters.venues.ccxt import binance_market, making, pro_market, reading
from adapters.venues.ccxt.calling import Line, Market
from adapters.venues.ccxt.making import Exchange
from adapters.venues.ccxt.reading import number, number_or_none
from adapters.venues.market_port import FundingInfo, MarketUpdate, PublicTrade, Topic
from adapters.venues.port import Candle, OrderBook, Ticker, TradingRule, VenueRefused

_NAMED_MAX = 20
"""More pairs than these are cheaper to ask for all together."""


class CcxtMarket:
    def __init__(self, settings: Settings, name: str) -> None:
        self.line = Line(settings, name)
        self.name = name
        self.is_perpetual = self.line.connector.is_perpetual
        ccxt = self.line.connector.ccxt
        if ccxt is None:
            raise ValueError(f"{name} has no counterpart in ccxt.")
        self.is_binance = ccxt.id in ("binance", "binanceusdm")
        self.intervals: tuple[str, ...] = ccxt.intervals if "fetchOHLCV" in ccxt.has else ()
        self._settings = settings

    @property
    def rules_age_seconds(self) -> float:
        return making.shared(self._settings, self.name).age_seconds

    async def trading_rules(self) -> tuple[TradingRule, ...]:
        async def act(_: Exchange) -> tuple[TradingRule, ...]:
            rules = (self.line.rule(market) for market in self.line.markets.values())
            return tuple(rule for rule in rules if rule is not None)

        return await self.line.call("other", act)

    async def tickers(self, pairs: Collection[str] | None = None) -> tuple[Ticker, ...]:
        async def act(exchange: Exchange) -> tuple[Ticker, ...]:
            wanted = [
                market
                for pair, market in self.line.markets.items()
                if pairs is None or pair in pairs
            ]
            if not wanted:
                return ()
            found = await _tickers(exchange, wanted)
            if any(ticker.get("bid") is None for ticker in found.values()):
                found = await _with_best(exchange, wanted, found)
            read = (_ticker(found.get(market["symbol"]), market) for market in wanted)
            return tuple(ticker for ticker in read if ticker is not None)

        return await self.line.call("other", act)

    async def order_book(self, pair: str, depth: int = 10) -> OrderBook:
        async def act(exchange: Exchange) -> OrderBook:
            market = self.line.market(pair)
            _need(exchange, "fetchOrderBook", self.name)
            asked = (
                binance_market.depth_to_ask(depth, self.is_perpetual) if self.is_binance else None
            )
            found = await exchange.fetch_order_book(market["symbol"], asked)
            return book(found, market, depth)

        return await self.line.call("other", act)

    async def trades(self, pair: str, limit: int = 100) -> tuple[PublicTrade, ...]:
        async def act(exchange: Exchange) -> tuple[PublicTrade, ...]:
            market = self.line.market(pair)
            _need(exchange, "fetchTrades", self.name)
            found = await exchange.fetch_trades(market["symbol"], None, limit)
            found = sorted(found, key=lambda one: one["timestamp"])
            return tuple(public_trade(one, market) for one in found[-limit:])

        return await self.line.call("other", act)

    async def candles(
        self, pair: str, interval: str, start_us: int | None = None, limit: int = 500
    ) -> tuple[Candle, ...]:
        async def act(exchange: Exchange) -> tuple[Candle, ...]:
            market = self.line.market(pair)
            if interval not in self.intervals:
                raise VenueRefused("bad_interval", f"{self.name} has {', '.join(self.intervals)}")
            start_ms = None if start_us is None else -(-start_us // 1000)
            if self.is_binance:
                return await binance_market.candles(exchange, market, interval, start_ms, limit)
            found = await exchange.fetch_ohlcv(market["symbol"], interval, start_ms, limit)
            size = reading.size_of(market)
            rows = [row for row in found if start_ms is None or row[0] >= start_ms]
            return tuple(
                Candle(
                    start_us=reading.micros(row[0]),
                    open=number(row[1]),
                    high=number(row[2]),
                    low=number(row[3]),
                    close=number(row[4]),
                    volume=number(row[5]) * size,
                )
                for row in (rows[-limit:] if start_ms is None else rows[:limit])
            )

        return await self.line.call("other", act)

    async def funding_info(self, pair: str) -> FundingInfo:
        async def act(exchange: Exchange) -> FundingInfo:
            market = self.line.market(pair)
            if not self.is_perpetual:
                raise VenueRefused("not_supported", f"{self.name} has no funding")
            _need(exchange, "fetchFundingRate", self.name)
            found = await exchange.fetch_funding_rate(market["symbol"])
            next_ms = found.get("fundingTimestamp") or found.get("nextFundingTimestamp")
            return FundingInfo(
                pair=pair,
                rate=number_or_none(found.get("fundingRate")),
                next_at_us=reading.micros(next_ms) if next_ms else None,
                mark_price=number_or_none(found.get("markPrice")),
                index_price=number_or_none(found.get("indexPrice")),
            )

        return await self.line.call("other", act)

    def watch(self, pair: str, topics: Collection[Topic]) -> AsyncIterator[MarketUpdate]:
        if self.is_binance:
            return binance_market.watch(self.line, pair, topics)
        return pro_market.watch(self.line, self._settings, pair, topics)

    async def close(self) -> None:
        await self.line.close()


def book(found: Mapping[str, Any], market: Market, depth: int) -> OrderBook:
    size = reading.size_of(market)

    def side(levels: Any) -> tuple[tuple[Decimal, Decimal], ...]:
        return tuple((number(level[0]), number(level[1]) * size) for level in levels[:depth])

    at_ms = found.get("timestamp")
    return OrderBook(
        pair=reading.pair_of(market),
        bids=side(found["bids"]),
        asks=side(found["asks"]),
        at_us=reading.micros(at_ms) if at_ms else time.time_ns() // 1000,
    )


def public_trade(found: Mapping[str, Any], market: Market) -> PublicTrade:
    return PublicTrade(
        trade_id=str(found["id"]),
        side=reading.side(found["side"]),
        quantity=number(found["amount"]) * reading.size_of(market),
        price=number(found["price"]),
        at_us=reading.micros(found["timestamp"]),
    )


def _ticker(found: Mapping[str, Any] | None, market: Market) -> Ticker | None:
    if found is None:
        return None
    last = number_or_none(found.get("last")) or number_or_none(found.get("close"))
    if last is None:
        return None
    at_ms = found.get("timestamp")
    return Ticker(
        pair=reading.pair_of(market),
        bid=number_or_none(found.get("bid")),
        ask=number_or_none(found.get("ask")),
        last=last,
        at_us=reading.micros(at_ms) if at_ms else time.time_ns() // 1000,
        base_volume=number_or_none(found.get("baseVolume")),
        quote_volume=number_or_none(found.get("quoteVolume")),
    )


async def _tickers(exchange: Exchange, wanted: list[Market]) -> dict[str, Any]:
    symbols = [market["symbol"] for market in wanted]
    if exchange.has.get("fetchTicker") and (len(symbols) == 1 or not exchange.has["fetchTickers"]):
        return {symbol: await exchange.fetch_ticker(symbol) for symbol in symbols}
    if not exchange.has.get("fetchTickers"):
        raise VenueRefused("not_supported", "this venue has no tickers in ccxt")
    asked = symbols if len(symbols) <= _NAMED_MAX else None
    return dict(await exchange.fetch_tickers(asked))


async def _with_best(
    exchange: Exchange, wanted: list[Market], found: dict[str, Any]
) -> dict[str, Any]:
    """The best prices too, which some venues tell only elsewhere."""
    if not exchange.has.get("fetchBidsAsks"):
        return found
    symbols = [market["symbol"] for market in wanted]
    best = await exchange.fetch_bids_asks(symbols if len(symbols) <= _NAMED_MAX else None)
    return {
        symbol: dict(ticker)
        | {side: best[symbol].get(side) for side in ("bid", "ask") if symbol in best}
        for symbol, ticker in found.items()
    }


def _need(exchange: Exchange, method: str, name: str) -> None:
    if not exchange.has.get(method):
        raise VenueRefused("not_supported", f"{method} is not possible at {name} through ccxt")
