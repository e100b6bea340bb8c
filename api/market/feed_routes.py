"""Live feeds over HTTP: which run, their trades, pairs that are added and removed, diagnostics.

A feed is of the API process that was asked: where several run, each has its own.
"""

import time
from typing import Any

import msgspec
from litestar import Request, get, post
from litestar.params import FromPath

from adapters.venues.registry import NoVenue
from api.deps import Deps, deps_of
from api.errors import RETRY_SOON, Failure
from api.http.body_and_headers import read_body
from api.http.decoding import Body, Query
from api.market.answers import asked, named, no_venue
from api.market.candle_feed import CandleFeed
from api.market.feed import RECENT_TRADES, Feed
from api.market.feed_schemas import (
    ActiveFeed,
    ActiveFeeds,
    BookSeen,
    Diagnostics,
    FollowBody,
    FollowedPair,
    NoDiagnostics,
    RecentTrades,
    Restarted,
    TradesAsked,
    UnfollowBody,
)
from api.market.feeds import AnyFeed, TooManyFeeds
from api.market.frames import trade_rows
from api.openapi import Operation
from api.reply import Reply

_encode = msgspec.json.Encoder().encode
_READ: dict[str, Any] = {"scope": "read"}
_TRADE: dict[str, Any] = {"scope": "trade"}


_trades = Query(TradesAsked)
_add = Body(FollowBody)
_remove = Body(UnfollowBody)


@get(
    "/market-data/active-feeds",
    opt=_READ | {"operation": Operation("The live feeds of this process.", {200: ActiveFeeds})},
)
async def active_feeds(request: Request[Any, Any, Any]) -> Reply:
    deps = deps_of(request)
    timeout = deps.settings.market_data_feed_timeout
    return Reply(_encode({feed.key: _active(feed, timeout) for feed in deps.feeds.of()}))


def _active(feed: AnyFeed, timeout_seconds: float) -> ActiveFeed:
    interval = f"/{feed.interval}" if isinstance(feed, CandleFeed) else ""
    idle = feed.idle_seconds
    return ActiveFeed(
        feed_type=feed.kind,
        last_access_time=time.time() - idle,
        seconds_since_access=idle,
        will_expire_in=max(0.0, timeout_seconds - idle),
        config=f"{feed.connector}/{feed.pair}{interval}",
        state=feed.seen,
        listeners=feed.listeners,
        updates=feed.updates,
    )


@get(
    "/market-data/trades/{trading_pair:str}",
    opt=_READ
    | {
        "operation": Operation(
            "The latest public trades; starts a feed, so that later ones are known at once.",
            {200: RecentTrades},
            query=TradesAsked,
            errors=(400, 404, 502),
        )
    },
)
async def trades(request: Request[Any, Any, Any], trading_pair: FromPath[str]) -> Reply:
    """A feed that begins knows few trades yet: then the venue is asked, as for many."""
    deps = deps_of(request)
    query: TradesAsked = _trades(request)
    connector = query.connector_name
    feed = _feed(deps, connector, named(trading_pair, "trading_pair"))
    found = feed.tape.latest(query.limit) if feed.is_fresh else []
    if len(found) < min(query.limit, RECENT_TRADES):
        async with asked(request, "trades", connector), deps.venues.use(connector) as venue:
            found = list(await venue.trades(trading_pair, query.limit))
    answer = {"trading_pair": trading_pair, "connector": connector}
    return Reply(_encode({**answer, "trades": trade_rows(found)}))


@post(
    "/market-data/trading-pair/add",
    opt=_READ
    | {
        "operation": Operation(
            "Follow a pair: starts its feed and waits for the first book.",
            {200: FollowedPair},
            body=FollowBody,
            errors=(400, 404, 500),
        )
    },
    status_code=200,
)
async def add_pair(request: Request[Any, Any, Any]) -> Reply:
    deps = deps_of(request)
    body: FollowBody = _add(await read_body(request))
    connector, pair = body.connector_name, body.trading_pair
    feed = _feed(deps, connector, pair)
    feed.listeners += 1  # It is not idle while somebody waits for it.
    try:
        await feed.until(lambda: feed.is_fresh or feed.is_over, body.timeout)
    finally:
        feed.listeners -= 1
    if feed.is_over:
        raise Failure(400, f"{pair!r} cannot be followed on {connector!r}: {feed.refusal}.")
    if not feed.is_fresh:
        text = f"No book of {pair!r} on {connector!r} came within {body.timeout:g} s."
        raise Failure(500, f"{text} The feed goes on trying.", "book_not_ready")
    text = f"{pair} is followed on {connector}."
    return Reply(_encode(FollowedPair(True, connector, pair, text)))  # noqa: FBT003 - the field says


@post(
    "/market-data/trading-pair/remove",
    opt=_TRADE
    | {
        "operation": Operation(
            "Stop a pair's feed, whoever listens.", {200: FollowedPair}, body=UnfollowBody
        )
    },
    status_code=200,
)
async def remove_pair(request: Request[Any, Any, Any]) -> Reply:
    deps = deps_of(request)
    body: UnfollowBody = _remove(await read_body(request))
    connector, pair = body.connector_name, body.trading_pair
    is_removed = deps.feeds.remove(connector, pair)
    text = f"{pair} is {'no longer' if is_removed else 'not'} followed on {connector}."
    return Reply(_encode(FollowedPair(is_removed, connector, pair, text)))


@get(
    "/market-data/order-book/diagnostics/{connector_name:str}",
    opt=_READ
    | {
        "operation": Operation(
            "How the connector's feeds are; `account_name` is passed over.",
            {200: (Diagnostics, NoDiagnostics)},
        )
    },
)
async def diagnostics(request: Request[Any, Any, Any], connector_name: FromPath[str]) -> Reply:
    deps = deps_of(request)
    if (unknown := _unknown(deps, connector_name)) is not None:
        return Reply(_encode(NoDiagnostics(unknown)))
    feeds = [feed for feed in deps.feeds.of(connector_name) if isinstance(feed, Feed)]
    is_ready = bool(feeds) and all(feed.is_fresh for feed in feeds)
    seen = Diagnostics(
        connector_type="perpetual" if connector_name.endswith("_perpetual") else "spot",
        connector_name=connector_name,
        has_order_book_tracker=bool(feeds),
        tracker_ready=is_ready,
        tasks={feed.key: feed.seen for feed in deps.feeds.of(connector_name)},
        trading_pairs=sorted(feed.pair for feed in feeds),
        order_books={feed.pair: _seen(feed) for feed in feeds},
        metrics={
            "updates": sum(feed.updates for feed in feeds),
            "connects": sum(feed.connects for feed in feeds),
            "listeners": sum(feed.listeners for feed in feeds),
        },
        websocket_status="connected" if is_ready else ("lost" if feeds else "not connected"),
    )
    return Reply(_encode(seen))


def _seen(feed: Feed) -> BookSeen:
    book = feed.book
    if book is None:
        return BookSeen(feed.seen, 0, 0, None, None, None)
    return BookSeen(
        state=feed.seen,
        bids=len(book.bids),
        asks=len(book.asks),
        best_bid=float(book.bids[0][0]) if book.bids else None,
        best_ask=float(book.asks[0][0]) if book.asks else None,
        age_seconds=time.time() - feed.book_at,
    )


@post(
    "/market-data/order-book/restart/{connector_name:str}",
    opt=_TRADE | {"operation": Operation("Connect the connector's feeds anew.", {200: Restarted})},
    status_code=200,
)
async def restart(request: Request[Any, Any, Any], connector_name: FromPath[str]) -> Reply:
    deps = deps_of(request)
    if (unknown := _unknown(deps, connector_name)) is not None:
        return Reply(_encode(Restarted(success=False, error=unknown)))
    pairs = await deps.feeds.restart(connector_name)
    if not pairs:
        text = f"{connector_name} has no feeds to restart."
        return Reply(_encode(Restarted(success=False, error=text)))
    text = f"{len(pairs)} feeds of {connector_name} connect anew."
    return Reply(_encode(Restarted(success=True, message=text, trading_pairs=pairs)))


def _feed(deps: Deps, connector: str, pair: str) -> Feed:
    try:
        return deps.feeds.pair(connector, pair)
    except NoVenue as error:
        raise no_venue(error, connector) from None
    except TooManyFeeds as error:
        raise Failure(503, str(error), "too_many_feeds", RETRY_SOON) from None


def _unknown(deps: Deps, connector: str) -> str | None:
    try:
        deps.venues.check(connector)
    except NoVenue as error:
        return str(error)
    return None
