"""Order routes of both markets: place, cancel, look up, list; and the account's own trades."""

import secrets
from collections.abc import Callable
from typing import Any, TypeVar

from tests.doubles.binance import refusals, wire
from tests.doubles.binance.calls import Call
from tests.doubles.binance.order_requests import parse_order, symbol_name
from tests.doubles.binance.records import Order, Trade
from tests.doubles.binance.refusals import ApiError
from tests.doubles.binance.symbols import fixed

Row = TypeVar("Row")
_LIST_MAX = 1_000
_WINDOW_MAX_MS = {"spot": 24 * 3_600_000, "futures": 7 * 24 * 3_600_000}


def place(call: Call) -> dict[str, Any]:
    new = parse_order(call)
    engine = call.exchange.engines[call.market]
    before = engine.find(call.account.name, new.symbol, new.client_order_id)
    if before is not None and before.is_open:
        raise refusals.duplicate_order(call.market)
    order = engine.place(call.account.name, new, call.now_ms)
    if call.market == "spot":
        return _placed_spot(call, order)
    shown = wire.order(order)
    shown["cumQty"] = shown["executedQty"]
    if call.parameters.get("newOrderRespType", "ACK") == "ACK":
        shown |= {"status": "NEW", "executedQty": "0", "cumQty": "0", "cumQuote": "0"}
        shown |= {"avgPrice": "0.00"}
    return shown


def judge(call: Call) -> dict[str, Any]:
    """Everything but the order."""
    parse_order(call)
    return {}


def cancel(call: Call) -> dict[str, Any]:
    order = _find(call)
    if order is None or not order.is_open:
        raise refusals.unknown_order()
    return _cancel(call, order)


def cancel_all(call: Call) -> Any:
    name = symbol_name(call)
    engine = call.exchange.engines[call.market]
    orders = [
        order
        for order in tuple(engine.open.get(call.account.name, {}).values())
        if order.symbol == name
    ]
    if call.market == "futures":
        for order in orders:
            _cancel(call, order)
        return {"code": 200, "msg": "The operation of cancel all open order is done."}
    if not orders:
        raise refusals.unknown_order()
    return [_cancel(call, order) for order in orders]


def query(call: Call) -> dict[str, Any]:
    order = _find(call)
    if order is None or _is_hidden(call, order):
        raise refusals.no_such_order()
    return wire.order(order)


def query_open(call: Call) -> dict[str, Any]:
    """One open order (futures)."""
    order = _find(call)
    if order is None or not order.is_open or _is_hidden(call, order):
        raise refusals.no_such_order()
    return wire.order(order)


def list_open(call: Call) -> list[dict[str, Any]]:
    name = symbol_name(call) if call.parameters.get("symbol") else None
    orders = call.exchange.engines[call.market].open.get(call.account.name, {})
    return [
        wire.order(order)
        for order in orders.values()
        if (name is None or order.symbol == name) and not _is_hidden(call, order)
    ]


def list_all(call: Call) -> list[dict[str, Any]]:
    name = symbol_name(call)
    orders = call.exchange.engines[call.market].orders_in(call.account.name, name)
    first_id = call.whole("orderId")
    return [
        wire.order(order)
        for order in _page(call, orders, lambda order: order.created_ms, first_id, _order_id)
    ]


def list_trades(call: Call) -> list[dict[str, Any]]:
    name = symbol_name(call)
    order_id = call.whole("orderId")
    trades = [
        trade
        for trade in call.exchange.engines[call.market].trades_in(call.account.name, name)
        if order_id is None or trade.order_id == order_id
    ]
    first_id = call.whole("fromId")
    return [
        wire.trade(trade)
        for trade in _page(call, trades, lambda trade: trade.time_ms, first_id, _trade_id)
    ]


def _placed_spot(call: Call, order: Order) -> dict[str, Any]:
    if call.parameters.get("newOrderRespType") == "ACK":
        return {
            "symbol": order.symbol,
            "orderId": order.order_id,
            "orderListId": -1,
            "clientOrderId": order.client_order_id,
            "transactTime": call.now_ms,
        }
    fills = [
        {
            "price": fixed(trade.price),
            "qty": fixed(trade.quantity),
            "commission": fixed(trade.fee),
            "commissionAsset": trade.fee_asset,
            "tradeId": trade.trade_id,
        }
        for trade in call.exchange.engines["spot"].trades_of(order)
    ]
    return wire.order(order) | {"transactTime": call.now_ms, "fills": fills}


def _cancel(call: Call, order: Order) -> dict[str, Any]:
    cancel_id = call.parameters.get("newClientOrderId") or secrets.token_hex(11)
    call.exchange.engines[call.market].cancel(order, call.now_ms, cancel_id)
    shown = wire.order(order)
    if call.market == "futures":
        return shown | {"cumQty": shown["executedQty"]}
    return shown | {
        "origClientOrderId": order.client_order_id,
        "clientOrderId": cancel_id,
        "transactTime": call.now_ms,
    }


def _find(call: Call) -> Order | None:
    name = symbol_name(call)
    engine = call.exchange.engines[call.market]
    number = call.whole("orderId")
    client_id = call.parameters.get("origClientOrderId")
    if number is not None:
        order = engine.orders.get(number)
        is_ours = order is not None and order.account == call.account.name
        return order if is_ours and order is not None and order.symbol == name else None
    if not client_id:
        raise ApiError(
            -1102, "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!"
        )
    return engine.find(call.account.name, name, client_id)


def _is_hidden(call: Call, order: Order) -> bool:
    age_seconds = (call.now_ms - order.created_ms) / 1_000
    return call.exchange.faults.hides(call.account.name, order.client_order_id, age_seconds)


def _page(
    call: Call,
    rows: list[Row],
    time_of: Callable[[Row], int],
    first_id: int | None,
    id_of: Callable[[Row], int],
) -> list[Row]:
    """From an id on; else between two times; else the latest. Oldest first."""
    limit = call.limit(500, _LIST_MAX)
    if first_id is not None:
        return [row for row in rows if id_of(row) >= first_id][:limit]
    start_ms, end_ms = call.whole("startTime"), call.whole("endTime")
    if start_ms is not None and end_ms is not None:
        if end_ms < start_ms:
            raise ApiError(-1102, "Start time is greater than end time.")
        if end_ms - start_ms > _WINDOW_MAX_MS[call.market]:
            hours = _WINDOW_MAX_MS[call.market] // 3_600_000
            raise ApiError(-1127, f"More than {hours} hours between startTime and endTime.")
    if start_ms is None and end_ms is None:
        return rows[-limit:]
    return [
        row
        for row in rows
        if (start_ms or 0) <= time_of(row) and (end_ms is None or time_of(row) <= end_ms)
    ][:limit]


def _order_id(order: Order) -> int:
    return order.order_id


def _trade_id(trade: Trade) -> int:
    return trade.trade_id
