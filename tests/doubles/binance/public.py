"""Market data over REST, the same for both markets but for names and number formats."""

import json
from decimal import Decimal
from typing import Any

from tests.doubles.binance import refusals, wire
from tests.doubles.binance.calls import Call
from tests.doubles.binance.candles import INTERVALS_MS, Kline
from tests.doubles.binance.refusals import ApiError
from tests.doubles.binance.symbols import SYMBOLS, Market, amount, exchange_info

_DAY_MS = 86_400_000
_FUTURES_DEPTHS = (5, 10, 20, 50, 100, 500, 1000)


def ping(call: Call) -> dict[str, Any]:
    del call
    return {}


def server_time(call: Call) -> dict[str, Any]:
    return {"serverTime": call.now_ms}


def info(call: Call) -> dict[str, Any]:
    return exchange_info(call.market, call.now_ms, _names(call))


def depth(call: Call) -> dict[str, Any]:
    book = call.exchange.engines[call.market].book(call.required("symbol"))
    if call.market == "spot":
        limit = call.limit(100, 5_000)
    else:
        limit = call.limit(500, 1_000)
        if limit not in _FUTURES_DEPTHS:
            raise ApiError(-4021, f"'{limit}' is not valid depth limit.")
    call.exchange.publish_books()
    shown = {
        "lastUpdateId": book.update_id,
        "bids": levels(call.market, book.snapshot("BUY", limit)),
        "asks": levels(call.market, book.snapshot("SELL", limit)),
    }
    return shown if call.market == "spot" else shown | {"E": call.now_ms, "T": call.now_ms}


def levels(market: Market, rows: list[tuple[Decimal, Decimal]]) -> list[list[str]]:
    return [[amount(market, price), amount(market, quantity)] for price, quantity in rows]


def trades(call: Call) -> list[dict[str, Any]]:
    name, public = call.required("symbol"), call.exchange.engines[call.market].public
    if name not in public:
        raise refusals.bad_symbol()
    limit = call.limit(500, 1_000)
    return [wire.public_trade(call.market, trade) for trade in tuple(public[name])[-limit:]]


def aggregate_trades(call: Call) -> list[dict[str, Any]]:
    name, public = call.required("symbol"), call.exchange.engines[call.market].public
    if name not in public:
        raise refusals.bad_symbol()
    found = tuple(public[name])
    first_id, start_ms, end_ms = (
        call.whole("fromId"),
        call.whole("startTime"),
        call.whole("endTime"),
    )
    limit = call.limit(500, 1_000)
    if first_id is not None:
        found = tuple(trade for trade in found if trade.trade_id >= first_id)[:limit]
    elif start_ms is not None or end_ms is not None:
        found = tuple(
            trade
            for trade in found
            if (start_ms or 0) <= trade.time_ms and (end_ms is None or trade.time_ms <= end_ms)
        )[:limit]
    return [wire.aggregate_trade(call.market, trade) for trade in found[-limit:]]


def klines(call: Call) -> list[list[Any]]:
    name, interval = call.required("symbol"), call.required("interval")
    call.exchange.engines[call.market].book(name)
    if interval not in INTERVALS_MS:
        raise ApiError(-1120, "Invalid interval.")
    limit = call.limit(500, 1_000 if call.market == "spot" else 1_500)
    end_ms = min(call.whole("endTime", call.now_ms) or call.now_ms, call.now_ms)
    read = call.exchange.candles[call.market].read
    found = read(name, interval, call.whole("startTime"), end_ms, limit)
    return [kline(call.market, row) for row in found]


def kline(market: Market, row: Kline) -> list[Any]:
    return [
        row.start_ms,
        *(amount(market, price) for price in (row.open, row.high, row.low, row.close)),
        amount(market, row.volume),
        row.end_ms,
        amount(market, row.quote_volume),
        row.trades,
        amount(market, row.taker_volume),
        amount(market, row.taker_quote_volume),
        "0",
    ]


def day(call: Call) -> Any:
    return _each(call, ticker)


def prices(call: Call) -> Any:
    return _each(call, _price)


def book_tickers(call: Call) -> Any:
    return _each(call, book_ticker)


def average_price(call: Call) -> dict[str, Any]:
    book = call.exchange.engines[call.market].book(call.required("symbol"))
    return {"mins": 5, "price": amount(call.market, book.mid), "closeTime": call.now_ms}


def ticker(call: Call, name: str) -> dict[str, Any]:
    market, exchange = call.market, call.exchange
    hours = exchange.candles[market].read(name, "1h", None, call.now_ms, 24)
    last, first = exchange.last_price(market, name), hours[0].open
    volume = sum((row.volume for row in hours), Decimal(0))
    quote_volume = sum((row.quote_volume for row in hours), Decimal(0))
    best = book_ticker(call, name)
    public = exchange.engines[market].public[name]
    shown = {
        "symbol": name,
        "priceChange": amount(market, last - first),
        "priceChangePercent": f"{(last - first) / first * 100:.3f}",
        "weightedAvgPrice": amount(market, (quote_volume / volume).quantize(Decimal("1E-8"))),
        "lastPrice": amount(market, last),
        "lastQty": amount(market, public[-1].quantity if public else Decimal(0)),
        "openPrice": amount(market, first),
        "highPrice": amount(market, max(last, *(row.high for row in hours))),
        "lowPrice": amount(market, min(last, *(row.low for row in hours))),
        "volume": amount(market, volume),
        "quoteVolume": amount(market, quote_volume),
        "openTime": call.now_ms - _DAY_MS,
        "closeTime": call.now_ms,
        "firstId": public[0].trade_id if public else -1,
        "lastId": public[-1].trade_id if public else -1,
        "count": sum(row.trades for row in hours),
    }
    if market == "futures":
        return shown
    best.pop("symbol")
    return shown | best | {"prevClosePrice": shown["openPrice"]}


def book_ticker(call: Call, name: str) -> dict[str, Any]:
    market, book = call.market, call.exchange.engines[call.market].book(name)
    shown: dict[str, Any] = {"symbol": name}
    for side, word in (("BUY", "bid"), ("SELL", "ask")):
        price = book.best("BUY" if side == "BUY" else "SELL")
        quantity = Decimal(0)
        if price is not None:
            quantity = book.quantity_at("BUY" if side == "BUY" else "SELL", price)
        shown[f"{word}Price"] = amount(market, price or Decimal(0))
        shown[f"{word}Qty"] = amount(market, quantity)
    return shown if market == "spot" else shown | {"time": call.now_ms}


def _price(call: Call, name: str) -> dict[str, Any]:
    last = call.exchange.last_price(call.market, name)
    shown = {"symbol": name, "price": amount(call.market, last)}
    return shown if call.market == "spot" else shown | {"time": call.now_ms}


def _each(call: Call, answer: Any) -> Any:
    """One object for `symbol`, a list for `symbols` or for all."""
    name = call.parameters.get("symbol")
    if name:
        call.exchange.engines[call.market].book(name)
        return answer(call, name)
    names = _names(call)
    return [answer(call, name) for name in SYMBOLS[call.market] if names is None or name in names]


def _names(call: Call) -> set[str] | None:
    if call.parameters.get("symbol"):
        names = {call.parameters["symbol"]}
    elif call.parameters.get("symbols"):
        try:
            names = set(json.loads(call.parameters["symbols"]))
        except (TypeError, ValueError):
            raise refusals.illegal("symbols") from None
    else:
        return None
    for name in names:
        call.exchange.engines[call.market].book(name)
    return names
