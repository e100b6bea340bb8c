"""Last prices and rates, for those who ask: shared for a moment by all who ask the same."""

import time
from collections import OrderedDict
from collections.abc import Collection, Mapping

from msgspec import Struct

from adapters.venues.port import Ticker
from api.market.flights import Flights
from api.market.rates import Prices, merged
from api.market.tickers import Tickers
from api.market.venues import Venues

KEPT_SECONDS = 1.0
_KEPT_MAX = 10_000
PRICE_SECONDS_MAX = 300.0
"""How long a rate is made of a price that its venue has not told anew."""


class _Kept(Struct, frozen=True):
    ticker: Ticker | None
    """None where the venue does not know the pair."""
    read_at: float


class LastPrices:
    """Tickers of single pairs, at most a second old."""

    def __init__(self, venues: Venues) -> None:
        self._venues = venues
        self._kept: OrderedDict[tuple[str, str], _Kept] = OrderedDict()
        self._flights = Flights[Mapping[str, Ticker]]()

    def __len__(self) -> int:
        """How many are kept."""
        return len(self._kept)

    async def close(self) -> None:
        await self._flights.close()

    async def of(self, connector: str, pairs: Collection[str]) -> Mapping[str, Ticker]:
        """Those that the venue knows. Raises NoVenue, VenueRefused, VenueUnreachable."""
        self._venues.check(connector)
        since = time.monotonic() - KEPT_SECONDS
        found: dict[str, Ticker] = {}
        missing: set[str] = set()
        for pair in pairs:
            kept = self._kept.get((connector, pair))
            if kept is None or kept.read_at < since:
                missing.add(pair)
            elif kept.ticker is not None:
                found[pair] = kept.ticker
        if missing:
            wanted = tuple(sorted(missing))
            found |= await self._flights.join(
                (connector, wanted), lambda: self._ask(connector, wanted)
            )
        return {pair: found[pair] for pair in pairs if pair in found}

    async def _ask(self, connector: str, pairs: tuple[str, ...]) -> Mapping[str, Ticker]:
        began_at = time.monotonic()
        async with self._venues.use(connector) as venue:
            found = {ticker.pair: ticker for ticker in await venue.tickers(pairs)}
        for pair in pairs:
            self._kept[connector, pair] = _Kept(found.get(pair), began_at)
            self._kept.move_to_end((connector, pair))
        while len(self._kept) > _KEPT_MAX:
            self._kept.popitem(last=False)
        return found


class MergedPrices:
    """The whole pool's prices as one market, put together anew only when the pool has changed."""

    def __init__(self, tickers: Tickers) -> None:
        self._tickers = tickers
        self._made_of: tuple[int, tuple[str, ...]] = (-1, ())
        self._prices: Prices = {}

    async def prices(self, connector: str | None = None) -> Prices:
        """Those of venues that have answered lately: an old price is no price. Raises NoVenue."""
        if connector is not None:
            one = (await self._tickers.of([connector]))[connector]
            is_old = one.fetched_at < time.monotonic() - PRICE_SECONDS_MAX
            return {} if is_old else merged([one.tickers])
        pool = await self._tickers.pool()
        since = time.monotonic() - PRICE_SECONDS_MAX
        names = tuple(name for name, pooled in pool.items() if pooled.fetched_at >= since)
        made_of = (self._tickers.version, names)
        if self._made_of != made_of:
            self._prices = merged(pool[name].tickers for name in names)
            self._made_of = made_of
        return self._prices
