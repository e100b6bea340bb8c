"""Prices, tickers, rates and funding of venues."""

import time
from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import Request, get, post
from litestar.params import FromPath

from adapters.venues.connectors import connectors
from adapters.venues.port import Ticker, VenueRefused
from adapters.venues.registry import NoVenue
from api.deps import deps_of
from api.errors import RETRY_SOON, Failure
from api.http.body_and_headers import read_body
from api.http.decoding import Body, Query
from api.market.answers import asked, named, no_venue, number
from api.market.counting import ALL
from api.market.rates import QUOTE_TOKEN, rate
from api.market.schemas import (
    Funding,
    MarketSettings,
    PairBody,
    PairTicker,
    PooledTicker,
    PoolPrices,
    Prices,
    PricesBody,
    Rate,
    RateQuery,
    Rates,
    RatesBody,
    TickerPool,
    TickerQuery,
    TickersQuery,
)
from api.market.tickers import FRESH_SECONDS, Pooled
from api.openapi import Operation
from api.reply import Reply

_encode = msgspec.json.Encoder().encode
_prices_body = Body(PricesBody)
_rates_body = Body(RatesBody)
_pair_body = Body(PairBody)
_tickers_query = Query(TickersQuery)
_ticker_query = Query(TickerQuery)
_rate_query = Query(RateQuery)
_US = 1_000_000
_VENUE = (400, 404, 502)


def _read(operation: Operation) -> dict[str, Any]:
    return {"scope": "read", "operation": operation}


@post(
    "/market-data/prices",
    opt=_read(Operation("Last prices of pairs.", {200: Prices}, body=PricesBody, errors=_VENUE)),
    status_code=200,
)
async def prices(request: Request[Any, Any, Any]) -> Reply:
    body: PricesBody = _prices_body(await read_body(request))
    async with asked(request, "prices", body.connector_name) as quotes:
        found = await quotes.last.of(body.connector_name, body.trading_pairs)
        unknown = [pair for pair in body.trading_pairs if pair not in found]
        if not found:
            text = f"{body.connector_name!r} trades none of: {', '.join(unknown)}."
            raise Failure(404, text, "unknown_pair")
    shown = {pair: float(ticker.last) for pair, ticker in found.items()}
    return Reply(_encode(Prices(body.connector_name, shown, time.time(), unknown)))


@get(
    "/market-data/tickers",
    opt=_read(
        Operation(
            "All tickers of connectors, or of all in use.",
            {200: TickerPool},
            query=TickersQuery,
            errors=_VENUE,
        )
    ),
)
async def tickers(request: Request[Any, Any, Any]) -> Reply:
    query: TickersQuery = _tickers_query(request)
    max_age = FRESH_SECONDS if query.max_age is None else query.max_age
    max_age = 0.0 if query.refresh else max_age
    names = [name for part in query.connectors or [] for name in part.split(",") if name]
    if not names:
        async with asked(request, "tickers", ALL) as quotes:
            return _pool(await quotes.tickers.pool(max_age), {})
    return await _tickers_of(request, list(dict.fromkeys(names)), max_age)


@get(
    "/market-data/tickers/{connector_name:str}",
    opt=_read(Operation("All tickers of one connector.", {200: TickerPool}, errors=_VENUE)),
)
async def connector_tickers(
    request: Request[Any, Any, Any], connector_name: FromPath[str]
) -> Reply:
    return await _tickers_of(request, [connector_name], FRESH_SECONDS)


async def _tickers_of(request: Request[Any, Any, Any], names: list[str], max_age: float) -> Reply:
    """One that fails is an error beside the others; where all fail, that is the answer."""
    venues = deps_of(request).venues
    errors: dict[str, str] = {}
    for name in names:
        try:
            venues.check(name)
        except NoVenue as error:
            if name not in connectors():
                raise no_venue(error, name) from None
            errors[name] = str(error)
    served = [name for name in names if name not in errors]
    async with asked(request, "tickers", names[0] if len(names) == 1 else ALL) as quotes:
        found = await quotes.tickers.of(served, max_age)
        failed = [pooled.error for pooled in found.values() if not pooled.tickers]
        if len(failed) == len(found) and all(failed):
            raise _none(found, errors, failed)
    return _pool(found, errors)


def _none(
    found: Mapping[str, Pooled], errors: Mapping[str, str], failed: list[Exception | None]
) -> Failure:
    texts = {**errors, **{name: str(pooled.error) for name, pooled in found.items()}}
    detail = "; ".join(f"{name}: {text}" for name, text in texts.items())
    if all(isinstance(e, VenueRefused) and e.code == "not_supported" for e in failed):
        return Failure(400, f"None of these can serve tickers. {detail}", "not_supported")
    return Failure(502, f"No venue answered. {detail}", "venue_unreachable", RETRY_SOON)


def _pool(found: Mapping[str, Pooled], errors: Mapping[str, str]) -> Reply:
    shown = TickerPool(
        {
            name: {pair: _pooled(ticker) for pair, ticker in pooled.tickers.items()}
            for name, pooled in found.items()
        },
        {name: len(pooled.tickers) for name, pooled in found.items()},
        {name: pooled.updated_at for name, pooled in found.items()},
        {**errors, **{name: str(p.error) for name, p in found.items() if p.error is not None}},
    )
    return Reply(_encode(shown))


def _pooled(ticker: Ticker) -> PooledTicker:
    return PooledTicker(
        float(ticker.last),
        number(ticker.base_volume),
        number(ticker.quote_volume),
        ticker.at_us / _US,
    )


@get(
    "/market-data/ticker/{pair:str}",
    opt=_read(
        Operation(
            "One pair's ticker, of a connector or of the one with the largest turnover.",
            {200: PairTicker},
            query=TickerQuery,
            errors=_VENUE,
        )
    ),
)
async def ticker(request: Request[Any, Any, Any], pair: FromPath[str]) -> Reply:
    wanted = named(pair, "pair")
    query: TickerQuery = _ticker_query(request)
    name = query.connector_name
    async with asked(request, "ticker", name or ALL) as quotes:
        if name is not None:
            one = (await quotes.last.of(name, [wanted])).get(wanted)
            found = {} if one is None else {name: one}
        else:
            pool = await quotes.tickers.pool()
            found = {n: p.tickers[wanted] for n, p in pool.items() if wanted in p.tickers}
        if not found:
            where = f"{name!r} does not quote" if name else "No connector in use quotes"
            raise Failure(404, f"{where} {wanted!r}.", "unknown_pair")
    best = max(found, key=lambda n: (found[n].quote_volume or 0, n))
    shown = found[best]
    return Reply(
        _encode(
            PairTicker(
                wanted,
                best,
                float(shown.last),
                number(shown.bid),
                number(shown.ask),
                number(shown.base_volume),
                number(shown.quote_volume),
                shown.at_us / _US,
            )
        )
    )


@post(
    "/market-data/rates",
    opt=_read(
        Operation(
            "What tokens are worth in others; null where no path of prices leads there.",
            {200: Rates},
            body=RatesBody,
            errors=(400, 404),
        )
    ),
    status_code=200,
)
async def rates(request: Request[Any, Any, Any]) -> Reply:
    body: RatesBody = _rates_body(await read_body(request))
    found = await _rates(request, body.trading_pairs, body.connector)
    return Reply(_encode(Rates(QUOTE_TOKEN, body.connector, found)))


@get(
    "/market-data/rate/{trading_pair:str}",
    opt=_read(
        Operation(
            "What a token is worth in another; null where no path of prices leads there.",
            {200: Rate},
            query=RateQuery,
            errors=(400,),
        )
    ),
)
async def pair_rate(request: Request[Any, Any, Any], trading_pair: FromPath[str]) -> Reply:
    pair = named(trading_pair, "trading_pair")
    query: RateQuery = _rate_query(request)
    found = await _rates(request, [pair], query.connector)
    return Reply(_encode(Rate(pair, found[pair], QUOTE_TOKEN, query.connector)))


async def _rates(
    request: Request[Any, Any, Any], pairs: list[str], connector: str | None
) -> dict[str, float | None]:
    async with asked(request, "rates", connector or ALL) as quotes:
        known = await quotes.merged.prices(connector)
    return {pair: number(rate(known, pair)) for pair in pairs}


@post(
    "/market-data/funding-info",
    opt=_read(
        Operation("Funding of a perpetual pair.", {200: Funding}, body=PairBody, errors=_VENUE)
    ),
    status_code=200,
)
async def funding_info(request: Request[Any, Any, Any]) -> Reply:
    deps = deps_of(request)
    body: PairBody = _pair_body(await read_body(request))
    name = body.connector_name
    async with asked(request, "funding", name):
        deps.venues.check(name)
        async with deps.venues.use(name) as venue:
            if not venue.is_perpetual:
                raise Failure(400, f"{name!r} is no perpetual connector.", "not_perpetual")
            found = await venue.funding_info(body.trading_pair)
    shown = Funding(
        body.trading_pair,
        number(found.rate),
        None if found.next_at_us is None else found.next_at_us / _US,
        number(found.mark_price),
        number(found.index_price),
    )
    return Reply(_encode(shown))


@get(
    "/market-data/pool-prices",
    opt=_read(Operation("Prices of liquidity pools: none without Gateway.", {200: PoolPrices})),
)
async def pool_prices() -> Reply:
    return Reply(_encode(PoolPrices(QUOTE_TOKEN, 0, {})))


@get(
    "/market-data/settings",
    opt=_read(Operation("How live feeds are kept.", {200: MarketSettings})),
)
async def settings(request: Request[Any, Any, Any]) -> Reply:
    kept = deps_of(request).settings
    shown = MarketSettings(
        kept.market_data_cleanup_interval,
        kept.market_data_feed_timeout,
        "A feed starts when it is first asked for and stops when nobody has asked for it in "
        "feed_timeout seconds; that is looked at every cleanup_interval seconds.",
    )
    return Reply(_encode(shown))
