"""Figures of a line of values, against the definitions in their simplest form."""

import itertools
import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.portfolio.returns import YEAR_SECONDS, Moved, figures

HOUR = 3_600


def moved(values: list[float]) -> Moved:
    """The slow and plain way."""
    returns = [b / a - 1 for a, b in itertools.pairwise(values) if a > 0]
    falls = [
        (peak - value) / peak
        for n, value in enumerate(values)
        if (peak := max(values[: n + 1])) > 0
    ]
    return Moved(
        values[0],
        values[-1],
        max(falls, default=None),
        statistics.fmean(returns) if returns else None,
        statistics.stdev(returns) if len(returns) > 1 else None,
    )


def test_figures_of_a_day_by_hours() -> None:
    found = figures(moved([100.0, 110.0, 99.0, 108.9]), HOUR)
    assert (found.start_value, found.end_value, found.pnl) == (100, 108.9, 8.9)
    assert found.pnl_pct == 8.9
    assert found.max_drawdown_pct == 10
    deviation = statistics.stdev([0.1, -0.1, 0.1])
    assert found.volatility == pytest.approx(deviation * math.sqrt(8760), abs=1e-6)
    sharpe = statistics.fmean([0.1, -0.1, 0.1]) / deviation * math.sqrt(8760)
    assert found.sharpe_ratio == pytest.approx(sharpe, abs=1e-6)


def test_a_day_has_fewer_intervals_in_a_year_than_an_hour() -> None:
    values = moved([100.0, 110.0, 99.0])
    hourly, daily = figures(values, HOUR), figures(values, 24 * HOUR)
    assert hourly.volatility is not None
    assert daily.volatility is not None
    assert hourly.volatility / daily.volatility == pytest.approx(math.sqrt(24), rel=1e-5)
    assert YEAR_SECONDS == 8760 * HOUR


@pytest.mark.parametrize(
    ("values", "undefined"),
    [
        ([100.0], {"volatility", "sharpe_ratio"}),
        ([100.0, 110.0], {"volatility", "sharpe_ratio"}),
        ([100.0, 100.0, 100.0], {"sharpe_ratio"}),
        ([100.0, 110.0, 121.0], {"sharpe_ratio"}),
        ([0.0, 0.0, 100.0], {"pnl_pct", "volatility", "sharpe_ratio"}),
        ([0.0, 0.0], {"pnl_pct", "max_drawdown_pct", "volatility", "sharpe_ratio"}),
        ([-5.0, -7.0, -1.0], {"pnl_pct", "max_drawdown_pct", "volatility", "sharpe_ratio"}),
    ],
)
def test_what_is_undefined_is_null(values: list[float], undefined: set[str]) -> None:
    found = figures(moved(values), HOUR)
    assert {name for name in found.__struct_fields__ if getattr(found, name) is None} == undefined


@given(st.lists(st.floats(1, 1e9), min_size=3, max_size=30))
def test_figures_keep_their_bounds(values: list[float]) -> None:
    found = figures(moved(values), HOUR)
    assert found.pnl == pytest.approx(values[-1] - values[0], abs=1e-5)
    assert found.max_drawdown_pct is not None
    assert 0 <= found.max_drawdown_pct <= 100
    assert found.volatility is not None
    assert found.volatility >= 0
