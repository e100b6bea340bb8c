"""Orders and trades as lists, by GET with query parameters and by POST with a body."""

from typing import Any

from litestar import Request, get, post

from api.deps import deps_of
from api.http.body_and_headers import read_body
from api.http.decoding import Body, Query
from api.lists import Listing
from api.openapi import Operation
from api.reply import Reply
from api.schemas import ActiveFilter, OrderFilter, OrderPage, TradeFilter, TradePage

_active_body, _order_body, _trade_body = Body(ActiveFilter), Body(OrderFilter), Body(TradeFilter)
_active_query, _trade_query = Query(ActiveFilter), Query(TradeFilter)


def _listing(request: Request[Any, Any, Any], name: str) -> Listing:
    listing: Listing = request.app.state.listings[name]
    return listing


async def _body(request: Request[Any, Any, Any]) -> bytes:
    return await read_body(request, deps_of(request).settings.body_bytes_max)


def _opt(summary: str, page: Any, *, body: Any = None, query: Any = None) -> dict[str, Any]:
    operation = Operation(summary, {200: page}, body=body, query=query, is_read=True)
    return {"scope": "read", "operation": operation}


@get("/trading/orders", opt=_opt("Active orders.", OrderPage, query=ActiveFilter))
async def active_orders(request: Request[Any, Any, Any]) -> Reply:
    return await _listing(request, "active").page(request, _active_query(request))


@post(
    "/trading/orders/active",
    opt=_opt("Active orders, oldest first.", OrderPage, body=ActiveFilter),
    status_code=200,
)
async def search_active_orders(request: Request[Any, Any, Any]) -> Reply:
    return await _listing(request, "active").page(request, _active_body(await _body(request)))


@post(
    "/trading/orders/search",
    opt=_opt("All orders, newest first.", OrderPage, body=OrderFilter),
    status_code=200,
)
async def search_orders(request: Request[Any, Any, Any]) -> Reply:
    return await _listing(request, "orders").page(request, _order_body(await _body(request)))


@post(
    "/trading/trades",
    opt=_opt("Trades, newest first.", TradePage, body=TradeFilter),
    status_code=200,
)
async def search_trades(request: Request[Any, Any, Any]) -> Reply:
    return await _listing(request, "trades").page(request, _trade_body(await _body(request)))


@get("/trading/history", opt=_opt("Trades, newest first.", TradePage, query=TradeFilter))
async def trade_history(request: Request[Any, Any, Any]) -> Reply:
    return await _listing(request, "trades").page(request, _trade_query(request))
