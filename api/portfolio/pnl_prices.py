"""At what price open positions are valued: the pair's ticker now, else the last snapshot's prices.

The past has the snapshot's alone. A price always comes with its time, and a pair without one has
none. Of other connectors' prices only those of real venues count, and only for a real venue's pair.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal

from msgspec import Struct

from adapters.venues.connectors import is_real
from adapters.venues.port import VenueRefused, VenueUnreachable
from adapters.venues.registry import NoVenue
from api.deps import Deps
from api.market.quotes import Quotes
from api.reading import rows
from commands import codec
from domain import portfolio
from domain.log import Recorded
from domain.pnl import quotient, tokens_of
from domain.portfolio import ConnectorHeld, PortfolioObserved
from projections import queries

_SQL = queries.load("pnl")
_TAG = str(PortfolioObserved.__struct_config__.tag)
TICKER_SECONDS = 3.0
"""A venue that takes longer is not waited for."""


class Book(Struct, frozen=True):
    account: str
    connector: str
    pair: str


class Price(Struct, frozen=True):
    price: Decimal
    at_us: int
    source: str


async def live_prices(quotes: Quotes, books: Collection[Book]) -> Mapping[Book, Price]:
    """Of those whose venue tells them in time."""
    pairs: dict[str, set[str]] = {}
    for book in books:
        pairs.setdefault(book.connector, set()).add(book.pair)
    told = await asyncio.gather(*(_tickers(quotes, name, own) for name, own in pairs.items()))
    found = dict(zip(pairs, told, strict=True))
    return {
        book: price for book in books if (price := found[book.connector].get(book.pair)) is not None
    }


async def _tickers(quotes: Quotes, connector: str, pairs: Collection[str]) -> Mapping[str, Price]:
    try:
        async with asyncio.timeout(TICKER_SECONDS):
            tickers = await quotes.last.of(connector, sorted(pairs))
    except (NoVenue, VenueRefused, VenueUnreachable, TimeoutError):
        return {}
    return {
        pair: Price(ticker.last, ticker.at_us, "ticker")
        for pair, ticker in tickers.items()
        if ticker.last > 0
    }


async def observed_prices(
    deps: Deps, books: Collection[Book], position: int
) -> Mapping[Book, Price]:
    """Out of the last snapshot of each account by that position; raises psycopg.Error."""
    if not books:
        return {}
    streams = sorted({portfolio.stream(book.account) for book in books})
    values = {"streams": streams, "tag": _TAG, "position": position}
    snapshots: dict[str, PortfolioObserved] = {}
    for found in await rows(deps.pool, _SQL["observed"], values):
        event = codec.decode_recorded(Recorded(*found))
        if isinstance(event, PortfolioObserved):
            snapshots[event.account] = event
    return {
        book: price
        for book in books
        if book.account in snapshots
        and (price := _price_in(snapshots[book.account], book)) is not None
    }


def _price_in(snapshot: PortfolioObserved, book: Book) -> Price | None:
    """Of the base in the quote: a quotient, where the snapshot is in neither."""
    base, quote = tokens_of(book.pair)
    places = [held for held in snapshot.held if held.connector == book.connector]
    if is_real(book.connector):
        others = (held for held in snapshot.held if held.connector != book.connector)
        places += [held for held in others if is_real(held.connector)]
    of_base = _told(places, base)
    if of_base is None:
        return None
    price, at_us = of_base
    if quote == snapshot.quote:
        return Price(price, at_us, "portfolio")
    of_quote = _told(places, quote)
    if of_quote is None:
        return None
    return Price(quotient(price, of_quote[0]), min(at_us, of_quote[1]), "portfolio")


def _told(places: Sequence[ConnectorHeld], token: str) -> tuple[Decimal, int] | None:
    for held in places:
        for its in held.tokens:
            if its.token == token and its.price:
                return its.price, held.observed_at_us
    return None
