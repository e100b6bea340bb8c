"""What is said of how a value went: profit, drawdown, volatility, Sharpe ratio. No I/O.

A return is the change of a value from one interval to the next, as a part of the former value; it
is undefined, and left out, where the former value is not above 0. Returns are simple, not
logarithmic, and are of equally long intervals: one without a snapshot has a return of 0.

    max_drawdown_pct  100 * the largest (peak - value) / peak, peak being the highest value so far
    volatility        sample standard deviation of the returns * sqrt(intervals per year)
    sharpe_ratio      mean return / sample standard deviation * sqrt(intervals per year)

A year has 365 days of 24 hours, since these markets never close. The riskless rate is taken to be
0. Volatility is a part of 1 per year: 0.5 is 50 %. What needs more returns than there are is None:
volatility needs two, the Sharpe ratio two that differ. Sharpe, W. F. (1994), "The Sharpe Ratio".
"""

from math import sqrt

from msgspec import Struct

YEAR_SECONDS = 365 * 86_400
_FLAT = 1e-12
"""Deviations below it are what rounding leaves of none."""


class Figures(Struct, frozen=True):
    start_value: float
    end_value: float
    pnl: float
    pnl_pct: float | None
    """Of the start value; null where that is not above 0."""
    max_drawdown_pct: float | None
    """Null where the value was never above 0."""
    volatility: float | None
    sharpe_ratio: float | None


class Moved(Struct, frozen=True):
    """What was found out about one line of values."""

    start_value: float
    end_value: float
    drawdown: float | None
    mean_return: float | None
    deviation: float | None


def figures(moved: Moved, interval_seconds: int) -> Figures:
    pnl = moved.end_value - moved.start_value
    per_year = YEAR_SECONDS / interval_seconds
    return Figures(
        start_value=round(moved.start_value, 6),
        end_value=round(moved.end_value, 6),
        pnl=round(pnl, 6),
        pnl_pct=round(100 * pnl / moved.start_value, 4) if moved.start_value > 0 else None,
        max_drawdown_pct=None if moved.drawdown is None else round(100 * moved.drawdown, 4),
        volatility=_volatility(moved, per_year),
        sharpe_ratio=_sharpe_ratio(moved, per_year),
    )


def _volatility(moved: Moved, per_year: float) -> float | None:
    return None if moved.deviation is None else round(moved.deviation * sqrt(per_year), 6)


def _sharpe_ratio(moved: Moved, per_year: float) -> float | None:
    if moved.mean_return is None or moved.deviation is None or moved.deviation < _FLAT:
        return None
    return round(moved.mean_return / moved.deviation * sqrt(per_year), 6)
