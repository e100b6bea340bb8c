"""Candles: a made-up past that ends at the middle of the book, and what was traded since.

The past is a pure function of time, so every interval agrees with every other on its ends, and
each candle opens where the one before it closed, unless somebody traded.
"""

import math
from bisect import bisect_left
from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

from tests.doubles.binance.records import ZERO, PublicTrade
from tests.doubles.binance.symbols import SYMBOLS, Market, Symbol

MINUTE_MS = 60_000
_HOUR_MS = 60 * MINUTE_MS
_DAY_MS = 24 * _HOUR_MS
INTERVALS_MS = {
    "1s": 1_000,
    **{f"{number}m": number * MINUTE_MS for number in (1, 3, 5, 15, 30)},
    **{f"{number}h": number * _HOUR_MS for number in (1, 2, 4, 6, 8, 12)},
    "1d": _DAY_MS,
    "3d": 3 * _DAY_MS,
    "1w": 7 * _DAY_MS,
}
_WEEK_OFFSET_MS = 4 * _DAY_MS  # 1970-01-01 was a Thursday; weeks begin on Mondays


class Kline(NamedTuple):
    start_ms: int
    end_ms: int
    """The last millisecond of it."""
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    quote_volume: Decimal
    trades: int
    taker_volume: Decimal
    taker_quote_volume: Decimal


class _Traded(NamedTuple):
    """What was traded within a second."""

    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    quote_volume: Decimal
    trades: int
    taker_volume: Decimal
    taker_quote_volume: Decimal


class Candles:
    def __init__(self, market: Market, anchor_ms: int) -> None:
        self._symbols = SYMBOLS[market]
        self._anchor_ms = anchor_ms
        self._traded: dict[str, dict[int, _Traded]] = {name: {} for name in self._symbols}

    def add(self, trade: PublicTrade) -> None:
        seconds = self._traded[trade.symbol]
        second = trade.time_ms // 1_000
        price, quantity = trade.price, trade.quantity
        taker = ZERO if trade.is_buyer_maker else quantity
        before = seconds.get(second, _Traded(price, price, price, ZERO, ZERO, 0, ZERO, ZERO))
        seconds[second] = _Traded(
            max(before.high, price),
            min(before.low, price),
            price,
            before.volume + quantity,
            before.quote_volume + quantity * price,
            before.trades + 1,
            before.taker_volume + taker,
            before.taker_quote_volume + taker * price,
        )

    def read(
        self, name: str, interval: str, start_ms: int | None, end_ms: int, limit: int
    ) -> list[Kline]:
        """Candles that begin within [start, end], the first `limit`, or the last without start."""
        step = INTERVALS_MS[interval]
        last = _begin(end_ms, interval)
        first = last - (limit - 1) * step if start_ms is None else _begin(start_ms - 1, interval)
        if start_ms is not None and first < start_ms:
            first += step
        return list(self._klines(name, range(first, last + 1, step)[:limit], step))

    def _klines(self, name: str, starts: range, step: int) -> Iterator[Kline]:
        symbol, seconds = self._symbols[name], self._traded[name]
        times = sorted(seconds)
        for start in starts:
            ends = (self._price(symbol, start), self._price(symbol, start + step))
            high, low, close = max(ends) * Decimal("1.0005"), min(ends) * Decimal("0.9995"), ends[1]
            volume = symbol.level_quantity * step / MINUTE_MS
            totals = [volume, volume * ends[0], Decimal(10 * max(1, step // MINUTE_MS))]
            taken = [volume / 2, volume * ends[0] / 2]
            for second in times[
                bisect_left(times, start // 1_000) : bisect_left(times, (start + step) // 1_000)
            ]:
                traded = seconds[second]
                high, low, close = max(high, traded.high), min(low, traded.low), traded.close
                totals[0] += traded.volume
                totals[1] += traded.quote_volume
                totals[2] += traded.trades
                taken[0] += traded.taker_volume
                taken[1] += traded.taker_quote_volume
            yield Kline(
                start,
                start + step - 1,
                ends[0],
                _step(high, symbol.tick),
                _step(low, symbol.tick),
                close,
                totals[0],
                totals[1],
                int(totals[2]),
                taken[0],
                taken[1],
            )

    def _price(self, symbol: Symbol, at_ms: int) -> Decimal:
        hours = (at_ms - self._anchor_ms) / _HOUR_MS
        swing = 0.01 * math.sin(hours / 3) + 0.03 * math.sin(hours / 50)
        return _step(symbol.price * (1 + Decimal(f"{swing:.8f}")), symbol.tick)


def _begin(at_ms: int, interval: str) -> int:
    step = INTERVALS_MS[interval]
    offset = _WEEK_OFFSET_MS if interval == "1w" else 0
    return (at_ms - offset) // step * step + offset


def _step(price: Decimal, tick: Decimal) -> Decimal:
    return price // tick * tick
