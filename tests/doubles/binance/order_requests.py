"""Reads the parameters of an order, and holds them against the symbol's filters."""

import re
import secrets
from typing import cast, get_args

from tests.doubles.binance import refusals
from tests.doubles.binance.calls import Call
from tests.doubles.binance.records import NewOrder, OrderType, PositionSide, Side, TimeInForce
from tests.doubles.binance.refusals import ApiError, parse_amount
from tests.doubles.binance.symbols import SYMBOLS, Market

CLIENT_ORDER_ID: dict[Market, str] = {
    "spot": r"^[a-zA-Z0-9-_]{1,36}$",
    "futures": r"^[\.A-Z\:/a-z0-9_-]{1,36}$",
}


def parse_order(call: Call) -> NewOrder:
    """The order that the parameters ask for, past the filters; raises ApiError."""
    parameters = call.parameters
    name = symbol_name(call)
    side, kind = call.required("side"), call.required("type")
    if side not in get_args(Side):
        raise ApiError(-1117, "Invalid side.")
    types = {"LIMIT", "MARKET"} | ({"LIMIT_MAKER"} if call.market == "spot" else set())
    if kind not in types:
        raise ApiError(-1116, "Invalid orderType.")
    quantity = parse_amount(parameters, "quantity")
    price = None
    if kind == "MARKET":
        for unwanted in ("price", "timeInForce"):
            if unwanted in parameters:
                raise ApiError(-1106, f"Parameter '{unwanted}' sent when not required.")
    else:
        price = parse_amount(parameters, "price")
    new = NewOrder(
        symbol=name,
        client_order_id=_client_order_id(call),
        side=cast("Side", side),
        type=cast("OrderType", kind),
        time_in_force=_time_in_force(call, kind),
        quantity=quantity,
        price=price,
        position_side=_position_side(call),
        reduce_only=parameters.get("reduceOnly", "false").lower() == "true",
    )
    _check_filters(call, new)
    return new


def _check_filters(call: Call, new: NewOrder) -> None:
    symbol = SYMBOLS[call.market][new.symbol]
    middle = call.exchange.engines[call.market].books[new.symbol].mid
    notional = new.quantity * (middle if new.price is None else new.price)
    if call.market == "spot":
        refusals.check_spot_filters(symbol, new.quantity, new.price, notional)
        return
    is_closing = new.reduce_only or (
        new.position_side != "BOTH" and (new.side == "SELL") == (new.position_side == "LONG")
    )
    refusals.check_futures_filters(symbol, new.quantity, new.price, notional, is_closing=is_closing)


def _client_order_id(call: Call) -> str:
    text = call.parameters.get("newClientOrderId")
    if not text:
        return secrets.token_hex(11)
    pattern = CLIENT_ORDER_ID[call.market]
    if not re.fullmatch(pattern, text):
        raise ApiError(
            -1100,
            "Illegal characters found in parameter 'newClientOrderId'; "
            f"legal range is '{pattern}'.",
        )
    return text


def _time_in_force(call: Call, kind: str) -> TimeInForce:
    if kind != "LIMIT":
        return "GTC"
    text = call.required("timeInForce")
    allowed = {"GTC", "IOC", "FOK"} | ({"GTX"} if call.market == "futures" else set())
    if text not in allowed:
        raise ApiError(-1115, "Invalid timeInForce.")
    return cast("TimeInForce", text)


def _position_side(call: Call) -> PositionSide:
    text = call.parameters.get("positionSide", "BOTH") if call.market == "futures" else "BOTH"
    if text not in get_args(PositionSide):
        raise ApiError(-4060, "Invalid position side.")
    return cast("PositionSide", text)


def symbol_name(call: Call) -> str:
    name = call.required("symbol")
    call.exchange.engines[call.market].book(name)
    return name
