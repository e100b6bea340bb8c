"""Orders and trades as lists, by GET with query parameters and by POST with a body."""

from typing import Any

from litestar import Request, get, post

from api.http.body_and_headers import read_body
from api.http.decoding import Body, Query
from api.lists import listing_of, reads
from api.reply import Reply
from api.schemas import ActiveFilter, OrderFilter, OrderPage, TradeFilter, TradePage

_active_body, _order_body, _trade_body = Body(ActiveFilter), Body(OrderFilter), Body(TradeFilter)
_active_query, _trade_query = Query(ActiveFilter), Query(TradeFilter)


@get("/trading/orders", opt=reads("Active orders.", OrderPage, query=ActiveFilter))
async def active_orders(request: Request[Any, Any, Any]) -> Reply:
    return await listing_of(request, "active").page(request, _active_query(request))


@post(
    "/trading/orders/active",
    opt=reads("Active orders, oldest first.", OrderPage, body=ActiveFilter),
    status_code=200,
)
async def search_active_orders(request: Request[Any, Any, Any]) -> Reply:
    return await listing_of(request, "active").page(request, _active_body(await read_body(request)))


@post(
    "/trading/orders/search",
    opt=reads("All orders, newest first.", OrderPage, body=OrderFilter),
    status_code=200,
)
async def search_orders(request: Request[Any, Any, Any]) -> Reply:
    return await listing_of(request, "orders").page(request, _order_body(await read_body(request)))


@post(
    "/trading/trades",
    opt=reads("Trades, newest first.", TradePage, body=TradeFilter),
    status_code=200,
)
async def search_trades(request: Request[Any, Any, Any]) -> Reply:
    return await listing_of(request, "trades").page(request, _trade_body(await read_body(request)))


@get("/trading/history", opt=reads("Trades, newest first.", TradePage, query=TradeFilter))
async def trade_history(request: Request[Any, Any, Any]) -> Reply:
    return await listing_of(request, "trades").page(request, _trade_query(request))
