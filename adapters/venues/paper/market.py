"""Prices from a file of candles, played for ever and ending now.

Prices are in quote per base, times in integer UTC microseconds. The candle in progress when the
venue was first started (`anchor_us`, kept in its ledger) is the last of the file, the ones before
it are the file's history; gaps such as weekends are left out. From there on the file is played
backwards, then forwards again: a plain loop would jump by the difference of its two ends, and
there is no such market. Within a candle the price goes straight from open to low, high and close
(open, high, low, close when it falls), a third of the time each.
"""

import csv
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from adapters.venues.port import Candle, VenueRefused

MINUTE_US = 60_000_000
INTERVALS_US = {
    "1s": 1_000_000,
    **{f"{n}m": n * MINUTE_US for n in (1, 3, 5, 15, 30)},
    **{f"{n}h": n * 60 * MINUTE_US for n in (1, 2, 4, 6, 8, 12)},
    "1d": 1440 * MINUTE_US,
    "1w": 10080 * MINUTE_US,
}
_FINEST = Decimal("0.00000001")
_BARS_READ_MAX = 100_000


class Bar(NamedTuple):
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal

    def path(self) -> tuple[Decimal, Decimal, Decimal, Decimal]:
        if self.close >= self.open:
            return self.open, self.low, self.high, self.close
        return self.open, self.high, self.low, self.close

    def reversed(self) -> "Bar":
        return self._replace(open=self.close, close=self.open)


def read_bars(path: Path) -> tuple[list[Bar], int]:
    """Return the bars of a CSV (time,open,high,low,close,volume) and their interval.

    Times are ISO 8601 (UTC unless stated) or unix seconds. Raises ValueError naming the line.
    """
    bars: list[Bar] = []
    times_us: list[int] = []
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file)
        for row in rows:
            try:
                times_us.append(_time_us(row["time"]))
                bars.append(_bar_of(row))
            except (ArithmeticError, KeyError, TypeError, ValueError) as error:
                raise ValueError(f"{path} line {rows.line_num}: {row} is no candle") from error
    steps = [later - time for time, later in pairwise(times_us)]
    if not steps or min(steps) <= 0:
        raise ValueError(f"{path} needs two candles or more, in ascending order of time")
    return bars, min(steps)


class PriceSeries:
    def __init__(
        self, bars: list[Bar], interval_us: int, *, anchor_us: int, speed: Decimal, tick: Decimal
    ) -> None:
        self._bars = bars
        self._bar_us = max(1_000, int(interval_us / speed))
        self._last = anchor_us // self._bar_us
        self._tick = tick

    def price(self, now_us: int) -> Decimal:
        number, offset_us = divmod(now_us, self._bar_us)
        return self._at(self._bar(number), offset_us).quantize(_FINEST)

    def candles(
        self, interval: str, start_us: int | None, limit: int, now_us: int
    ) -> tuple[Candle, ...]:
        """Return candles from `start_us` on, or the last `limit`; the one in progress included."""
        step_us = INTERVALS_US.get(interval)
        if step_us is None:
            raise VenueRefused("bad_interval", f"{interval} is none of {', '.join(INTERVALS_US)}")
        if limit * max(1, step_us // self._bar_us) > _BARS_READ_MAX:
            raise VenueRefused("too_many_candles", f"{limit} of {interval}: ask for fewer")
        current_us = now_us - now_us % step_us
        first_us = current_us - (limit - 1) * step_us
        if start_us is not None:
            first_us = -(-start_us // step_us) * step_us
        starts = range(max(0, first_us), current_us + 1, step_us)[:limit]
        return tuple(self._candle(start, min(start + step_us, now_us + 1)) for start in starts)

    def _candle(self, start_us: int, end_us: int) -> Candle:
        parts = list(self._parts(start_us, end_us))
        return Candle(
            start_us=start_us,
            open=parts[0].open.quantize(self._tick),
            high=max(part.high for part in parts).quantize(self._tick),
            low=min(part.low for part in parts).quantize(self._tick),
            close=parts[-1].close.quantize(self._tick),
            volume=sum((part.volume for part in parts), Decimal(0)).quantize(Decimal("0.01")),
        )

    def _parts(self, start_us: int, end_us: int) -> Iterator[Bar]:
        for number in range(start_us // self._bar_us, (end_us - 1) // self._bar_us + 1):
            bar = self._bar(number)
            first_us = max(0, start_us - number * self._bar_us)
            last_us = min(self._bar_us, end_us - number * self._bar_us)
            if first_us == 0 and last_us == self._bar_us:
                yield bar
                continue
            inner = [
                price
                for corner, price in enumerate(bar.path())
                if first_us * 3 < corner * self._bar_us < last_us * 3
            ]
            ends = (self._at(bar, first_us), self._at(bar, last_us))
            yield Bar(
                open=ends[0],
                high=max(*ends, *inner),
                low=min(*ends, *inner),
                close=ends[1],
                volume=bar.volume * (last_us - first_us) / self._bar_us,
            )

    def _bar(self, number: int) -> Bar:
        count = len(self._bars)
        place = (number - self._last + count - 1) % (2 * count)
        if place < count:
            return self._bars[place]
        return self._bars[2 * count - 1 - place].reversed()

    def _at(self, bar: Bar, offset_us: int) -> Decimal:
        path = bar.path()
        leg = min(2, offset_us * 3 // self._bar_us)
        done_us = offset_us * 3 - leg * self._bar_us
        return path[leg] + (path[leg + 1] - path[leg]) * done_us / self._bar_us


def _bar_of(row: dict[str, str]) -> Bar:
    bar = Bar(*(Decimal(row[name]) for name in Bar._fields))
    if not (0 < bar.low <= min(bar.open, bar.close) <= max(bar[:4]) == bar.high):
        raise ValueError("low or high is not the extreme, or a price is not above 0")
    return bar


def _time_us(text: str) -> int:
    if text.isascii() and text.isdigit():
        return int(text) * 1_000_000
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        time = time.replace(tzinfo=UTC)
    return int(time.timestamp()) * 1_000_000
