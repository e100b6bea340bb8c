"""Candles: the latest, and those of a span. What was fetched is kept and not asked for again."""

import contextlib
from typing import Any

import msgspec
from litestar import Request, get, post
from litestar.params import FromPath

from adapters.postgres.candles import Series
from adapters.venues.connectors import connectors
from api.deps import deps_of
from api.errors import Failure
from api.http.body_and_headers import read_body
from api.http.decoding import Body, Query
from api.lists import to_us
from api.market.answers import asked, named
from api.market.candles import CandleRow, Rows, length_of
from api.market.feeds import TooManyFeeds
from api.market.intervals import LENGTHS
from api.market.quotes import Quotes
from api.market.schemas import CandlesBody, CandlesQuery, HistoryBody
from api.openapi import Operation
from api.reply import Reply

ROWS_MAX = 50_000
"""Candles of one answer: a month of minutes, and a little more."""
_candles_body = Body(CandlesBody)
_history_body = Body(HistoryBody)
_candles_query = Query(CandlesQuery)
_BAD_REQUEST = 400
_ERRORS = (400, 404, 502, 504)
_FEED_ROWS = 100
"""What a feed keeps for this route, which needs what is under way alone."""
_WIDER = 4
"""How much further is looked where a market pauses, to find as many as are wanted."""
_NEVER_US = 2**62


def _shown(summary: str, **asked_with: Any) -> dict[str, Any]:
    operation = Operation(summary, {200: list[CandleRow]}, errors=_ERRORS, **asked_with)
    return {"scope": "read", "operation": operation}


@get(
    "/market-data/available-candle-connectors",
    opt={
        "scope": "read",
        "operation": Operation("Connectors that have candles.", {200: list[str]}),
    },
)
async def candle_connectors(request: Request[Any, Any, Any]) -> Reply:
    known = connectors()
    found = []
    for name in deps_of(request).venues.names:
        ccxt = known[name].ccxt if name in known else None
        if ccxt is None or set(ccxt.intervals) & set(LENGTHS):
            found.append(name)
    return Reply(msgspec.json.encode(found))


@post(
    "/market-data/candles",
    opt=_shown("The latest candles, oldest first. Starts a feed, or keeps it.", body=CandlesBody),
    status_code=200,
)
async def candles(request: Request[Any, Any, Any]) -> Reply:
    body: CandlesBody = _candles_body(await read_body(request))
    series = Series(body.connector_name, body.trading_pair, body.interval)
    async with asked(request, "candles", series.connector, _BAD_REQUEST) as quotes:
        found = await _latest(request, quotes, series, None, body.max_records)
    feeds = deps_of(request).feeds
    with contextlib.suppress(TooManyFeeds):  # The answer is as good without a feed.
        feeds.candles_of(series.connector, series.pair, series.interval, _FEED_ROWS)
    return _reply(series, found)


@post(
    "/market-data/historical-candles",
    opt=_shown("The candles of a span, oldest first.", body=HistoryBody),
    status_code=200,
)
async def historical_candles(request: Request[Any, Any, Any]) -> Reply:
    body: HistoryBody = _history_body(await read_body(request))
    series = Series(body.connector_name, body.trading_pair, body.interval)
    start_us, end_us = _span(body.start_time, body.end_time)
    async with asked(request, "candles", series.connector, _BAD_REQUEST) as quotes:
        least_us = await _least_us(request, series)
        count = max(0, min(end_us, quotes.candles.now_us()) - start_us) // least_us
        if count > ROWS_MAX:
            raise Failure(
                400,
                f"From {body.start_time} to {body.end_time} there are {count} candles, and at most "
                f"{ROWS_MAX} are answered at once. Ask for a shorter span.",
                "too_many_candles",
            )
        found = await quotes.candles.rows(series, start_us, end_us, ROWS_MAX + 1, newest=False)
        return _reply(series, found)


@get(
    "/market-data/candles/{pair:str}",
    opt=_shown("The latest candles, or those from a time on, oldest first.", query=CandlesQuery),
)
async def pair_candles(request: Request[Any, Any, Any], pair: FromPath[str]) -> Reply:
    wanted = named(pair, "pair")
    query: CandlesQuery = _candles_query(request)
    series = Series(query.connector_name, wanted, query.interval)
    end_us = None if query.end_time is None else to_us(query.end_time, is_end=True) + 1
    async with asked(request, "candles", series.connector, _BAD_REQUEST) as quotes:
        if query.start_time is None:
            return _reply(series, await _latest(request, quotes, series, end_us, query.limit))
        least_us = await _least_us(request, series)
        start_us = to_us(query.start_time)
        if query.end_time is not None:
            _span(query.start_time, query.end_time)
        last_us = min(quotes.candles.now_us() + 1, end_us or _NEVER_US)
        return _reply(
            series, await _first(quotes, series, start_us, last_us, query.limit, least_us)
        )


async def _least_us(request: Request[Any, Any, Any], series: Series) -> int:
    async with deps_of(request).venues.use(series.connector) as venue:
        return length_of(venue, series.interval).least_us


async def _latest(
    request: Request[Any, Any, Any],
    quotes: Quotes,
    series: Series,
    end_us: int | None,
    count: int,
) -> Rows:
    least_us = await _least_us(request, series)
    end_us = end_us or quotes.candles.now_us() + 1
    found = Rows(0, b"[]")
    for steps in (count, count * _WIDER):
        start_us = max(0, end_us - (steps + 1) * least_us)
        found = await quotes.candles.rows(series, start_us, end_us, count, newest=True)
        if found.count >= count:
            break
    return found


async def _first(
    quotes: Quotes, series: Series, start_us: int, last_us: int, count: int, least_us: int
) -> Rows:
    """Candles from a time on: no more is fetched than is needed to find so many."""
    found = Rows(0, b"[]")
    for steps in (count, count * _WIDER, ROWS_MAX):
        end_us = min(last_us, start_us + steps * least_us)
        found = await quotes.candles.rows(series, start_us, end_us, count, newest=False)
        if found.count >= count or end_us == last_us:
            break
    return found


def _span(start: int, end: int) -> tuple[int, int]:
    start_us, end_us = to_us(start), to_us(end, is_end=True) + 1
    if start_us >= end_us:
        raise Failure(400, f"The span ends ({end}) before it begins ({start}).", "bad_span")
    return start_us, end_us


def _reply(series: Series, found: Rows) -> Reply:
    if not found.count:
        text = f"{series.connector!r} has no candles of {series.pair!r} in that span."
        raise Failure(404, text, "no_candles")
    return Reply(found.json)
