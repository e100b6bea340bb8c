"""What market streams tell: depth differences, partial books, trades, candles, tickers, marks."""

from decimal import Decimal
from typing import Any

from tests.doubles.binance import public, wire
from tests.doubles.binance.book import Book
from tests.doubles.binance.calls import NOBODY, Call
from tests.doubles.binance.exchange import Exchange
from tests.doubles.binance.funding import next_funding_ms, rate
from tests.doubles.binance.records import PublicTrade
from tests.doubles.binance.symbols import Market, amount, short

PARTIAL_DEPTHS = (5, 10, 20)


def depth_update(
    market: Market, book: Book, delta: dict[Any, list[tuple[Decimal, Decimal]]], now_ms: int
) -> dict[str, Any]:
    """Number what changed, one id a price, and tell it."""
    before = book.update_id
    book.update_id += max(1, len(delta["BUY"]) + len(delta["SELL"]))
    message = {
        "e": "depthUpdate",
        "E": now_ms,
        "s": book.symbol.name,
        "U": before + 1,
        "u": book.update_id,
        "b": public.levels(market, delta["BUY"]),
        "a": public.levels(market, delta["SELL"]),
    }
    return message if market == "spot" else message | {"T": now_ms, "pu": before}


def partial_depth(market: Market, book: Book, depth: int, now_ms: int) -> dict[str, Any]:
    bids = public.levels(market, book.snapshot("BUY", depth))
    asks = public.levels(market, book.snapshot("SELL", depth))
    if market == "spot":
        return {"lastUpdateId": book.update_id, "bids": bids, "asks": asks}
    return {
        "e": "depthUpdate",
        "E": now_ms,
        "T": now_ms,
        "s": book.symbol.name,
        "U": book.update_id,
        "u": book.update_id,
        "pu": book.update_id - 1,
        "b": bids,
        "a": asks,
    }


def book_ticker(exchange: Exchange, market: Market, name: str, now_ms: int) -> dict[str, Any]:
    best = public.book_ticker(_call(exchange, market, now_ms), name)
    message = {
        "u": exchange.engines[market].books[name].update_id,
        "s": name,
        "b": best["bidPrice"],
        "B": best["bidQty"],
        "a": best["askPrice"],
        "A": best["askQty"],
    }
    if market == "spot":
        return message
    return {"e": "bookTicker", "E": now_ms, "T": now_ms, **message}


def trade(market: Market, made: PublicTrade, now_ms: int) -> dict[str, Any]:
    message = {
        "e": "trade",
        "E": now_ms,
        "s": made.symbol,
        "t": made.trade_id,
        "p": amount(market, made.price),
        "q": amount(market, made.quantity),
        "T": made.time_ms,
        "m": made.is_buyer_maker,
    }
    return message | ({"M": True} if market == "spot" else {"X": "MARKET"})


def aggregate_trade(market: Market, made: PublicTrade, now_ms: int) -> dict[str, Any]:
    row = wire.aggregate_trade(market, made)
    return {"e": "aggTrade", "E": now_ms, "s": made.symbol, **row}


def kline(
    exchange: Exchange, market: Market, name: str, interval: str, now_ms: int
) -> dict[str, Any]:
    row = exchange.candles[market].read(name, interval, None, now_ms, 1)[0]
    shown = public.kline(market, row)
    return {
        "e": "kline",
        "E": now_ms,
        "s": name,
        "k": {
            "t": row.start_ms,
            "T": row.end_ms,
            "s": name,
            "i": interval,
            "f": -1,
            "L": -1,
            **dict(zip(("o", "h", "l", "c", "v"), shown[1:6], strict=True)),
            "n": row.trades,
            "x": now_ms >= row.end_ms,
            "q": shown[7],
            "V": shown[9],
            "Q": shown[10],
            "B": "0",
        },
    }


def ticker(exchange: Exchange, market: Market, name: str, now_ms: int) -> dict[str, Any]:
    call = _call(exchange, market, now_ms)
    shown = public.ticker(call, name) | public.book_ticker(call, name)
    return {
        "e": "24hrTicker",
        "E": now_ms,
        "s": name,
        "p": shown["priceChange"],
        "P": shown["priceChangePercent"],
        "w": shown["weightedAvgPrice"],
        "x": shown["openPrice"],
        "c": shown["lastPrice"],
        "Q": shown["lastQty"],
        "b": shown["bidPrice"],
        "B": shown["bidQty"],
        "a": shown["askPrice"],
        "A": shown["askQty"],
        "o": shown["openPrice"],
        "h": shown["highPrice"],
        "l": shown["lowPrice"],
        "v": shown["volume"],
        "q": shown["quoteVolume"],
        "O": shown["openTime"],
        "C": shown["closeTime"],
        "F": shown["firstId"],
        "L": shown["lastId"],
        "n": shown["count"],
    }


def mini_ticker(exchange: Exchange, market: Market, name: str, now_ms: int) -> dict[str, Any]:
    full = ticker(exchange, market, name, now_ms)
    kept = {field: full[field] for field in ("E", "s", "c", "o", "h", "l", "v", "q")}
    return {"e": "24hrMiniTicker", **kept}


def mark_price(exchange: Exchange, name: str, now_ms: int) -> dict[str, Any]:
    price = short(exchange.engines["futures"].books[name].mid)
    return {
        "e": "markPriceUpdate",
        "E": now_ms,
        "s": name,
        "p": price,
        "i": price,
        "P": price,
        "r": rate(name, next_funding_ms(now_ms)),
        "T": next_funding_ms(now_ms),
    }


def _call(exchange: Exchange, market: Market, now_ms: int) -> Call:
    return Call(exchange, market, {}, NOBODY, now_ms)
