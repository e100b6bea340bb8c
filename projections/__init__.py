"""Read models: pure folds of the log, one module each."""

from projections import accounts, api_keys, credentials, open_effects, orders, trades
from projections.projection import Projection

PROJECTIONS: tuple[Projection, ...] = (
    orders.PROJECTION,
    trades.PROJECTION,
    open_effects.PROJECTION,
    api_keys.PROJECTION,
    accounts.PROJECTION,
    credentials.PROJECTION,
)
"""Every read model that a projector keeps; all of them share one checkpoint a page."""
