"""Prices out of candles: whole candles come back as they are, and time cuts them truthfully."""

from decimal import Decimal
from pathlib import Path

import pytest

from adapters.venues.paper.market import Bar, PriceSeries, read_bars
from adapters.venues.paper.settings import CANDLES_FILE
from adapters.venues.port import Candle, VenueRefused

HOUR_US = 3_600_000_000
NOW_US = 500_000 * HOUR_US + HOUR_US // 2
TICK = Decimal("0.00001")


def bar(text: str) -> Bar:
    return Bar(*(Decimal(part) for part in text.split()))


RISING = bar("1.0 1.3 0.9 1.2 60")
FALLING = bar("1.2 1.4 1.0 1.1 60")


def series(speed: str = "1") -> PriceSeries:
    return PriceSeries(
        [RISING, FALLING], HOUR_US, anchor_us=NOW_US, speed=Decimal(speed), tick=TICK
    )


def prices(candle: Candle) -> tuple[Decimal, ...]:
    return candle.open, candle.high, candle.low, candle.close


def test_the_sample_file_holds_its_five_thousand_hours() -> None:
    bars, interval_us = read_bars(CANDLES_FILE)
    assert (len(bars), interval_us) == (5000, HOUR_US)
    assert bars[0] == bar("1.0716 1.0722 1.07083 1.07219 1413")


def test_the_last_candle_of_the_file_is_in_progress_at_the_start() -> None:
    earlier, current = series().candles("1h", None, 2, NOW_US)
    assert prices(earlier) == RISING[:4]
    assert current.start_us == 500_000 * HOUR_US
    assert current.open == FALLING.open
    assert current.high == FALLING.high
    assert current.close == series().price(NOW_US)


def test_the_price_goes_by_the_nearer_extreme_first() -> None:
    start_us = 500_000 * HOUR_US
    thirds = [series().price(start_us + HOUR_US * third // 3) for third in range(3)]
    assert thirds == [FALLING.open, FALLING.high, FALLING.low]
    thirds = [series().price(start_us - HOUR_US + HOUR_US * third // 3) for third in range(3)]
    assert thirds == [RISING.open, RISING.low, RISING.high]


def test_after_its_end_the_file_is_played_backwards_without_a_jump() -> None:
    end_us = 500_001 * HOUR_US
    assert series().price(end_us) == FALLING.close
    _, back, again = series().candles("1h", None, 3, end_us + 2 * HOUR_US - 1)
    assert prices(back) == (FALLING.close, FALLING.high, FALLING.low, FALLING.open)
    assert prices(again) == (RISING.close, RISING.high, RISING.low, RISING.open)
    assert series().price(end_us + 2 * HOUR_US) == RISING.open


def test_minutes_add_up_to_their_hour() -> None:
    start_us = 499_999 * HOUR_US
    minutes = series().candles("1m", start_us, 60, NOW_US)
    assert len(minutes) == 60
    assert minutes[0].open == RISING.open
    assert minutes[-1].close == RISING.close
    assert max(minute.high for minute in minutes) == RISING.high
    assert min(minute.low for minute in minutes) == RISING.low
    assert sum(minute.volume for minute in minutes) == RISING.volume


def test_a_faster_series_plays_two_bars_in_an_hour() -> None:
    (candle,) = series("2").candles("1h", 500_000 * HOUR_US - HOUR_US, 1, NOW_US)
    assert candle.volume == RISING.volume + FALLING.volume


def test_questions_without_bounds_are_refused() -> None:
    for interval, limit, speed, code in (
        ("7m", 10, "1", "bad_interval"),
        ("1w", 1000, "1000", "too_many_candles"),
    ):
        with pytest.raises(VenueRefused) as caught:
            series(speed).candles(interval, None, limit, NOW_US)
        assert caught.value.code == code


@pytest.mark.parametrize(
    "row", ["1,1,1,1,1", "1970-01-01,1,0.5,1,1,1", "x,1,1,1,1,1", "9,NaN,1,1,1,1", "9,1,1,0,1,1"]
)
def test_a_damaged_file_is_named_with_its_line(tmp_path: Path, row: str) -> None:
    file = tmp_path / "candles.csv"
    file.write_text(f"time,open,high,low,close,volume\n1,1,1,1,1,1\n{row}\n")
    with pytest.raises(ValueError, match=r"candles\.csv line 3"):
        read_bars(file)


def test_a_file_out_of_order_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "candles.csv"
    file.write_text("time,open,high,low,close,volume\n9,1,1,1,1,1\n1,1,1,1,1,1\n")
    with pytest.raises(ValueError, match="ascending"):
        read_bars(file)
