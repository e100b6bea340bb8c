"""Read models: pure folds of the log, one module each."""

from projections import (
    accounts,
    api_keys,
    credentials,
    funding,
    limits,
    net_fills,
    open_effects,
    orders,
    perpetuals,
    pnl,
    portfolio_snapshots,
    portfolios,
    position_baselines,
    position_changes,
    positions,
    switches,
    trades,
)
from projections.projection import Projection

PROJECTIONS: tuple[Projection, ...] = (
    orders.PROJECTION,
    trades.PROJECTION,
    open_effects.PROJECTION,
    api_keys.PROJECTION,
    accounts.PROJECTION,
    credentials.PROJECTION,
    positions.PROJECTION,
    position_baselines.PROJECTION,
    position_changes.PROJECTION,
    net_fills.PROJECTION,
    pnl.PROJECTION,
    perpetuals.PROJECTION,
    funding.PROJECTION,
    switches.PROJECTION,
    limits.PROJECTION,
    portfolios.PROJECTION,
    portfolio_snapshots.PROJECTION,
)
"""Every read model that a projector keeps; all of them share one checkpoint a page."""
