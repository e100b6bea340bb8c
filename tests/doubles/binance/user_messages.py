"""What user streams tell, one message an event."""

from typing import Any

from tests.doubles.binance import wire
from tests.doubles.binance.records import ZERO, HoldingsEvent, OrderEvent
from tests.doubles.binance.symbols import fixed, short

_NO_TRADE = -1


def order_message(event: OrderEvent, now_ms: int) -> dict[str, Any]:
    if event.order.market == "spot":
        return _execution_report(event, now_ms)
    return _order_trade_update(event, now_ms)


def holdings_message(event: HoldingsEvent, now_ms: int) -> dict[str, Any]:
    if event.market == "spot":
        return {
            "e": "outboundAccountPosition",
            "E": now_ms,
            "u": now_ms,
            "B": [
                {"a": asset, "f": fixed(free), "l": fixed(locked)}
                for asset, free, locked in event.funds
            ],
        }
    return {
        "e": "ACCOUNT_UPDATE",
        "E": now_ms,
        "T": now_ms,
        "a": {
            "m": event.reason,
            "B": [
                {"a": asset, "wb": fixed(wallet), "cw": fixed(wallet), "bc": "0"}
                for asset, wallet, _ in event.funds
            ],
            "P": [
                {
                    "s": symbol,
                    "pa": short(amount),
                    "ep": short(entry_price),
                    "bep": short(entry_price),
                    "cr": "0",
                    "up": "0",
                    "mt": "cross",
                    "iw": "0",
                    "ps": side,
                }
                for symbol, side, amount, entry_price in event.positions
            ],
        },
    }


def _execution_report(event: OrderEvent, now_ms: int) -> dict[str, Any]:
    order, trade = event.order, event.trade
    is_cancel = event.execution == "CANCELED"
    return {
        "e": "executionReport",
        "E": now_ms,
        "s": order.symbol,
        "c": event.cancel_id if is_cancel else order.client_order_id,
        "S": order.side,
        "o": order.type,
        "f": order.time_in_force,
        "q": fixed(order.quantity),
        "p": fixed(order.price),
        "P": fixed(ZERO),
        "F": fixed(ZERO),
        "g": -1,
        "C": order.client_order_id if is_cancel else "",
        "x": event.execution,
        "X": order.status,
        "r": "NONE",
        "i": order.order_id,
        "l": fixed(trade.quantity if trade else ZERO),
        "z": fixed(order.filled),
        "L": fixed(trade.price if trade else ZERO),
        "n": fixed(trade.fee) if trade else "0",
        "N": trade.fee_asset if trade else None,
        "T": order.updated_ms,
        "t": trade.trade_id if trade else _NO_TRADE,
        "I": order.order_id,
        "w": order.is_open,
        "m": trade.is_maker if trade else False,
        "M": False,
        "O": order.created_ms,
        "Z": fixed(order.quote_filled),
        "Y": fixed(trade.price * trade.quantity if trade else ZERO),
        "Q": fixed(ZERO),
        "W": order.created_ms,
        "V": "NONE",
    }


def _order_trade_update(event: OrderEvent, now_ms: int) -> dict[str, Any]:
    order, trade = event.order, event.trade
    fee = {"N": trade.fee_asset, "n": fixed(trade.fee)} if trade else {}
    return {
        "e": "ORDER_TRADE_UPDATE",
        "E": now_ms,
        "T": order.updated_ms,
        "o": {
            "s": order.symbol,
            "c": order.client_order_id,
            "S": order.side,
            "o": order.type,
            "f": order.time_in_force,
            "q": short(order.quantity),
            "p": short(order.price),
            "ap": short(wire.average_price(order)),
            "sp": "0",
            "x": event.execution,
            "X": order.status,
            "i": order.order_id,
            "l": short(trade.quantity if trade else ZERO),
            "z": short(order.filled),
            "L": short(trade.price if trade else ZERO),
            **fee,
            "T": order.updated_ms,
            "t": trade.trade_id if trade else 0,
            "b": "0",
            "a": "0",
            "m": trade.is_maker if trade else False,
            "R": order.reduce_only,
            "wt": "CONTRACT_PRICE",
            "ot": order.type,
            "ps": order.position_side,
            "cp": False,
            "rp": short(trade.realized) if trade else "0",
            "pP": False,
            "si": 0,
            "ss": 0,
            "V": "NONE",
            "pm": "NONE",
            "gtd": 0,
        },
    }
