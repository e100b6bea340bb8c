"""Every REST route of the double: method and path, market, what it asks for, what answers it."""

from collections.abc import Callable
from typing import Any, NamedTuple

from tests.doubles.binance import futures, orders, public, spot
from tests.doubles.binance.calls import Call, Security
from tests.doubles.binance.symbols import Market


class Route(NamedTuple):
    market: Market
    security: Security
    answer: Callable[[Call], Any]


def _routes() -> dict[tuple[str, str], Route]:
    table: dict[tuple[str, str], Route] = {}

    def add(market: Market, security: Security, method: str, path: str, answer: Any) -> None:
        table[method, path] = Route(market, security, answer)

    prefixes: tuple[tuple[Market, str], ...] = (("spot", "/api/v3"), ("futures", "/fapi/v1"))
    for market, prefix in prefixes:
        answers: tuple[tuple[str, Callable[[Call], Any]], ...] = (
            ("ping", public.ping),
            ("time", public.server_time),
            ("exchangeInfo", public.info),
            ("depth", public.depth),
            ("trades", public.trades),
            ("aggTrades", public.aggregate_trades),
            ("klines", public.klines),
            ("ticker/24hr", public.day),
            ("ticker/price", public.prices),
            ("ticker/bookTicker", public.book_tickers),
        )
        for name, answer in answers:
            add(market, "none", "GET", f"{prefix}/{name}", answer)
        add(market, "trade", "POST", f"{prefix}/order", orders.place)
        add(market, "trade", "POST", f"{prefix}/order/test", orders.judge)
        add(market, "trade", "DELETE", f"{prefix}/order", orders.cancel)
        add(market, "read", "GET", f"{prefix}/order", orders.query)
        add(market, "read", "GET", f"{prefix}/openOrders", orders.list_open)
        add(market, "read", "GET", f"{prefix}/allOrders", orders.list_all)
    add("spot", "none", "GET", "/api/v3/avgPrice", public.average_price)
    add("spot", "trade", "DELETE", "/api/v3/openOrders", orders.cancel_all)
    add("spot", "read", "GET", "/api/v3/myTrades", orders.list_trades)
    add("spot", "read", "GET", "/api/v3/account", spot.account)
    add("spot", "read", "GET", "/sapi/v1/account/apiRestrictions", spot.api_restrictions)
    add("futures", "trade", "DELETE", "/fapi/v1/allOpenOrders", orders.cancel_all)
    add("futures", "read", "GET", "/fapi/v1/openOrder", orders.query_open)
    add("futures", "read", "GET", "/fapi/v1/userTrades", orders.list_trades)
    add("futures", "none", "GET", "/fapi/v2/ticker/price", public.prices)
    for security, method, path, answer in futures.TABLE:
        add("futures", security, method, path, answer)
    return table


ROUTES = _routes()
