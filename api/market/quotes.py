"""What the market data routes are answered from: made once an app, closed with it."""

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct
from prometheus_client.core import Metric

from api.deps import Deps
from api.market.archived_candles import old_of
from api.market.books import Books
from api.market.candles import Candles
from api.market.counting import MarketRequests
from api.market.prices import LastPrices, MergedPrices
from api.market.rules import Markets
from api.market.tickers import Tickers
from api.reading import rows


class Quotes(Struct, frozen=True, kw_only=True):
    books: Books
    tickers: Tickers
    last: LastPrices
    merged: MergedPrices
    candles: Candles
    requests: MarketRequests
    markets: Markets

    async def close(self) -> None:
        await self.books.close()
        await self.tickers.close()
        await self.last.close()
        await self.candles.close()

    def families(self) -> Iterator[Metric]:
        yield from self.requests.families(self.markets, self.tickers)


def quotes_of(deps: Deps) -> Quotes:
    async def read(query: str, parameters: Mapping[str, object]) -> list[tuple[Any, ...]]:
        return await rows(deps.pool, query, parameters)

    settings = deps.settings
    has_lake = settings.lake_reader_dsn or settings.lake_dsn
    old = old_of(deps.lake) if has_lake else None
    tickers = Tickers(deps.venues, lambda: (name for name, _ in deps.markets.ages()))
    return Quotes(
        books=Books(deps.venues, deps.feeds.book),
        tickers=tickers,
        last=LastPrices(deps.venues),
        merged=MergedPrices(tickers),
        candles=Candles(
            deps.venues, read, deps.settings.database_url or "", deps.feeds.candles, old=old
        ),
        requests=MarketRequests(),
        markets=deps.markets,
    )
