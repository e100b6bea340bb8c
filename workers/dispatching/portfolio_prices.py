"""What tokens are worth at a venue, by the public tickers of venues: shared by all accounts there.

Tickers are fetched for a connector, not for an account. A token without a way to the quote currency
at its own venue is priced by all real venues together, never by one that trades with play money.
"""

import asyncio
import contextlib
import time
from collections.abc import Collection, Mapping
from decimal import Decimal

from adapters.venues.connectors import is_real
from adapters.venues.port import Ticker
from api.market.rates import merged
from api.market.tickers import Tickers
from api.market.venues import Venues
from domain.valuation import Conversion

QUOTE = "USDT"
FRESH_SECONDS = 30.0
"""Accounts that are looked at within this time share their tickers."""
KEPT_SECONDS = 300.0
"""So long a price counts that its venue has not told anew."""
_FOR_EVER = 1e9
_NOTHING = Conversion({}, QUOTE)
"""Of a venue that tells no prices: stable coins have theirs all the same."""


class Valued:
    """Prices of one look."""

    def __init__(self, tickers: Mapping[str, Mapping[str, Ticker]]) -> None:
        self._own = {name: Conversion(merged([its]), QUOTE) for name, its in tickers.items()}
        real = [its for name, its in sorted(tickers.items()) if is_real(name)]
        self._all = Conversion(merged(real), QUOTE)

    def price(self, connector: str, token: str) -> Decimal | None:
        found = self._own.get(connector, _NOTHING).price(token)
        if found is None and is_real(connector):
            return self._all.price(token)
        return found


class PortfolioPrices:
    def __init__(self, venues: Venues) -> None:
        self._venues = venues
        self._tickers = Tickers(venues, lambda: ())

    async def now(self, names: Collection[str], seconds: float) -> Valued:
        """Of these connectors, as far as their venues tell within that time or told of late."""
        served = [name for name in names if self._venues.has(name)]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._tickers.of(served, FRESH_SECONDS)
        since = time.monotonic() - KEPT_SECONDS
        pool = await self._tickers.pool(_FOR_EVER)
        return Valued({name: its.tickers for name, its in pool.items() if its.fetched_at >= since})

    async def close(self) -> None:
        await self._tickers.close()
        await self._venues.close()
