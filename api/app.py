"""The app factory: routes, error answers, limits, and what lives as long as the app."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from litestar import Litestar, Router
from litestar.config.cors import CORSConfig
from litestar.datastructures import State
from litestar.plugins import PluginProtocol
from litestar.plugins.core import MsgspecDIPlugin

from adapters.settings import Settings
from api import docs, keys, status
from api.accounts import balances, credential_lists, credentials
from api.accounts import routes as accounts
from api.analytics import routes as analytics
from api.audit import routes as audit
from api.audit import stream
from api.audit import verify as audit_verify
from api.cursors import Cursors
from api.deps import Deps
from api.errors import HANDLERS
from api.http.auth import Authenticator
from api.http.bearers import Bearers
from api.http.gate import Gate
from api.http.throttle import Buckets
from api.lists import Listing
from api.market import book_routes as market_data_books
from api.market import candle_routes as market_data_candles
from api.market import connectors
from api.market import feed_routes as market_feeds
from api.market import routes as market_data
from api.market.quotes import quotes_of
from api.market.warming import keep_warm
from api.metrics import Metrics
from api.orders import closing, limits, resending, switch
from api.orders import lists as trading_lists
from api.orders import routes as trading
from api.perpetual import positions
from api.perpetual import routes as perpetuals
from api.portfolio import history as portfolio_history
from api.portfolio import performance as portfolio_performance
from api.portfolio import pnl as portfolio_pnl
from api.portfolio import routes as portfolio
from api.portfolio.reading import INCOMPLETE
from api.presence import presence
from api.sockets import routes as sockets

_HANDLERS = (
    status.home,
    status.health,
    status.ready,
    status.ready_api,
    status.metrics,
    docs.openapi,
    docs.swagger,
    docs.redoc,
    docs.asset,
    connectors.list_connectors,
    connectors.connector,
    connectors.config_map,
    connectors.order_types,
    connectors.trading_rules,
    connectors.markets,
    market_data.prices,
    market_data.tickers,
    market_data.connector_tickers,
    market_data.ticker,
    market_data.rates,
    market_data.pair_rate,
    market_data.funding_info,
    market_data.pool_prices,
    market_data.settings,
    market_data_books.order_book,
    market_data_books.pair_order_book,
    market_data_books.price_for_volume,
    market_data_books.volume_for_price,
    market_data_books.price_for_quote_volume,
    market_data_books.quote_volume_for_price,
    market_data_books.vwap_for_volume,
    market_data_candles.candle_connectors,
    market_data_candles.candles,
    market_data_candles.historical_candles,
    market_data_candles.pair_candles,
    trading.place_order,
    trading.cancel_order,
    trading.cancel_account_order,
    closing.close_position,
    switch.engage_switch,
    switch.lift_switch,
    switch.show_switches,
    limits.show_limits,
    limits.set_limits,
    resending.resend_order,
    trading_lists.active_orders,
    trading_lists.search_active_orders,
    trading_lists.search_orders,
    trading_lists.search_trades,
    trading_lists.trade_history,
    perpetuals.set_leverage,
    perpetuals.set_position_mode,
    perpetuals.position_mode,
    positions.positions,
    positions.search_positions,
    positions.search_funding,
    balances.balances,
    *portfolio.HANDLERS,
    *portfolio_history.HANDLERS,
    *portfolio_performance.HANDLERS,
    portfolio_pnl.profit_and_loss,
    analytics.query,
    analytics.tables,
    accounts.list_accounts,
    accounts.create_account,
    accounts.add_account,
    accounts.delete_account,
    accounts.delete_account_by_query,
    credentials.add_credential,
    credentials.put_credential,
    credentials.delete_credential,
    credential_lists.list_credentials,
    credential_lists.show_credential,
    audit.events,
    audit.stream_events,
    audit.command,
    audit.parked,
    audit.retry_parked,
    stream.stream,
    audit_verify.verify,
    keys.create_key,
    keys.list_keys,
    keys.revoke_key,
    sockets.market_data,
    market_feeds.active_feeds,
    market_feeds.trades,
    market_feeds.add_pair,
    market_feeds.remove_pair,
    market_feeds.diagnostics,
    market_feeds.restart,
)
_CORS_HEADERS = ["Authorization", "Content-Type", "Idempotency-Key", "Last-Event-ID", "Prefer"]
_SHOWN_HEADERS = [
    *("Command-Id", "Log-Position", "Idempotency-Replayed", "Preference-Applied", "Retry-After"),
    INCOMPLETE,
    *analytics.SHOWN_HEADERS,
]


class _App(Litestar):
    """Without pydantic and attrs, which Litestar brings along: 130 ms and 12 MB for nothing."""

    @staticmethod
    def _get_default_plugins(plugins: list[PluginProtocol]) -> list[PluginProtocol]:
        return [*plugins, MsgspecDIPlugin()]


def create_app(deps: Deps) -> Litestar:
    """The pool must not be open yet: the app opens it, and starts the hub and the markets."""
    return _App(
        route_handlers=[Router("/", route_handlers=_HANDLERS)],
        middleware=[Gate],
        exception_handlers=dict(HANDLERS),
        request_max_body_size=deps.settings.body_bytes_max,
        cors_config=_cors(deps.settings),
        openapi_config=None,
        lifespan=[_lifespan],
        state=_state(deps),
        logging_config=None,
    )


def _state(deps: Deps) -> State:
    settings = deps.settings
    bearers = Bearers(deps.pool, deps.hub)
    cursors = Cursors(deps.hash_key)
    quotes = quotes_of(deps)
    metrics = Metrics()
    metrics.sources.append(quotes.families)
    return State(
        {
            "deps": deps,
            "auth": Authenticator(settings.username, settings.password, bearers),
            "bearers": bearers,
            "buckets": Buckets(settings.rate_per_second, settings.rate_burst),
            "cursors": cursors,
            "listings": {
                "active": Listing("orders", "active", cursors),
                "orders": Listing("orders", "newest", cursors),
                "trades": Listing("trades", "newest", cursors),
                "positions": Listing("positions", "active", cursors, positions.BESIDE),
                "funding": Listing("funding", "newest", cursors),
                "pnl": Listing("pnl", "active", cursors),
            },
            "metrics": metrics,
            "quotes": quotes,
            "ready": status.Ready(deps),
            "unlimited": {},
        }
    )


def _cors(settings: Settings) -> CORSConfig | None:
    if not settings.cors_allow_origins and not settings.cors_allow_origin_regex:
        return None
    return CORSConfig(
        allow_origins=list(settings.cors_allow_origins),
        allow_origin_regex=settings.cors_allow_origin_regex,
        allow_methods=["GET", "POST", "PUT", "DELETE"],
        allow_headers=_CORS_HEADERS,
        expose_headers=_SHOWN_HEADERS,
        allow_credentials=False,
    )


@asynccontextmanager
async def _lifespan(app: Litestar) -> AsyncIterator[None]:
    """Start what runs beside the requests; a store that is away stops nothing."""
    deps: Deps = app.state.deps
    await deps.pool.open(wait=False)
    deps.hub.start()
    deps.markets.start()
    deps.feeds.start()
    app.state.metrics.sources += [deps.feeds.families, deps.sockets.families]
    await deps.asking.start()
    warming = asyncio.create_task(keep_warm(deps), name="warming")
    try:
        async with presence(deps):
            yield
    finally:
        warming.cancel()
        await asyncio.gather(warming, return_exceptions=True)
        await deps.asking.close()
        await deps.tail.close()
        await deps.hub.close()
        await deps.sockets.end()
        await deps.feeds.close()
        await app.state.quotes.close()
        await deps.markets.close()
        await deps.venues.close()
        await deps.lake.close()
        await deps.sandbox.close()
        await deps.pool.close()
