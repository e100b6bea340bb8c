"""What a MARKET order would pay now: asked for where its account limits what orders are worth."""

import time
from decimal import Decimal
from typing import Any

import psycopg
from litestar import Request

from adapters.venues.port import VenueRefused, VenueUnreachable
from adapters.venues.registry import NoVenue
from api.deps import deps_of
from api.market.quotes import Quotes
from api.reading import row
from api.schemas import PlaceOrderBody
from projections import queries

_SQL = queries.load("limits")
KEPT_SECONDS, KEPT_MAX = 1.0, 1_000
"""That an account limits no notional is believed so long: asking for each order costs as much as
the rest of it. Where a limit was set meanwhile, the domain refuses what came without a price.
"""


async def reference_price(request: Request[Any, Any, Any], asked: PlaceOrderBody) -> Decimal | None:
    """The venue's best price on the other side, at most a second old; None where nobody needs it.

    None as well where none can be had: then the domain refuses, if there is a limit after all.
    """
    unlimited: dict[str, float] = request.app.state.unlimited
    now = time.monotonic()
    if unlimited.get(asked.account_name, -KEPT_SECONDS) + KEPT_SECONDS > now:
        return None
    try:
        found = await row(deps_of(request).pool, _SQL["notional"], {"key": asked.account_name})
    except psycopg.Error:
        return None
    if found is None:
        if len(unlimited) >= KEPT_MAX:
            unlimited.clear()
        unlimited[asked.account_name] = now
        return None
    quotes: Quotes = request.app.state.quotes
    try:
        tickers = await quotes.last.of(asked.connector_name, [asked.trading_pair])
    except (NoVenue, VenueRefused, VenueUnreachable):
        return None
    ticker = tickers.get(asked.trading_pair)
    if ticker is None:
        return None
    return (ticker.ask if asked.trade_type == "BUY" else ticker.bid) or ticker.last
