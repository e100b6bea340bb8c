"""What an answer must look like: a small language of shapes, and the contract's rows in it.

A type is itself; a list of one shape is a list of those; a dict names fields that must be there
(more may be); `Map(shape)` is an object with any keys; a tuple is one of several; None is null.
`Number` is a JSON number, never a string; `Iso` a time with an offset.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple


class Map(NamedTuple):
    of: Any


class Literally(NamedTuple):
    value: Any


class Number:
    """An int or a float, not a bool."""


class Iso:
    """A time as text, with its offset."""


class Text:
    """Decimal digits as text."""


SIDES = (Literally("BUY"), Literally("SELL"))
MESSAGE = {"message": str}
STATUSES = tuple(
    Literally(name)
    for name in (
        "SUBMITTED",
        "OPEN",
        "PARTIALLY_FILLED",
        "PENDING_CANCEL",
        "FILLED",
        "CANCELLED",
        "FAILED",
    )
)
PLACED = {
    "order_id": str,
    "account_name": str,
    "connector_name": str,
    "trading_pair": str,
    "trade_type": SIDES,
    "amount": Text,
    "order_type": str,
    "price": (Text, None),
    "status": Literally("submitted"),
}
ORDER = {
    "order_id": str,
    "account_name": str,
    "connector_name": str,
    "trading_pair": str,
    "trade_type": SIDES,
    "order_type": str,
    "amount": Number,
    "price": (Number, None),
    "status": STATUSES,
    "filled_amount": Number,
    "average_fill_price": (Number, None),
    "fee_paid": (Number, None),
    "fee_currency": (str, None),
    "created_at": Iso,
    "updated_at": Iso,
    "exchange_order_id": (str, None),
    "error_message": (str, None),
}
TRADE = {
    "trade_id": str,
    "order_id": (str, None),
    "account_name": (str, None),
    "connector_name": (str, None),
    "trading_pair": str,
    "trade_type": SIDES,
    "amount": Number,
    "price": Number,
    "fee_paid": Number,
    "fee_currency": (str, None),
    "timestamp": Iso,
}
POSITION = {
    "account_name": str,
    "connector_name": str,
    "trading_pair": str,
    "side": tuple(Literally(name) for name in ("LONG", "SHORT", "BOTH", "UNKNOWN")),
    "amount": Number,
    "entry_price": (Number, None),
    "unrealized_pnl": (Number, None),
    "leverage": (Number, None),
}
FUNDING = {
    "id": int,
    "funding_payment_id": str,
    "timestamp": Iso,
    "account_name": str,
    "connector_name": str,
    "trading_pair": str,
    "funding_rate": (Number, None),  # not every venue tells it with the payment
    "funding_payment": Number,
    "fee_currency": str,
    "position_size": (Number, None),
    "position_side": (str, None),
    "exchange_funding_id": (str, None),
}
CANDLE = dict.fromkeys(
    (
        "timestamp",
        "open",
        "high",
        "low",
        "close",
        "volume",
        "quote_asset_volume",
        "n_trades",
        "taker_buy_base_volume",
        "taker_buy_quote_volume",
    ),
    Number,
)
LEVEL = {"price": Number, "amount": Number}
BOOK = {"trading_pair": str, "bids": [LEVEL], "asks": [LEVEL], "timestamp": Number}
DEPTH_ANSWER = {
    "trading_pair": str,
    "is_buy": bool,
    "query_volume": (Number, None),
    "query_price": (Number, None),
    "result_price": (Number, None),
    "result_volume": (Number, None),
    "result_quote_volume": (Number, None),
    "average_price": (Number, None),
    "timestamp": Number,
}
TICKERS = {
    "tickers": Map(
        Map(
            {
                "price": Number,
                "base_volume": (Number, None),
                "quote_volume": (Number, None),
                "timestamp": Number,
            }
        )
    ),
    "counts": Map(int),
    "updated_at": Map((Number, None)),
    "errors": Map(str),
}
RULE = {
    "min_order_size": Number,
    "max_order_size": (Number, None),
    "min_price_increment": Number,
    "min_base_amount_increment": Number,
    "min_quote_amount_increment": Number,
    "min_notional_size": Number,
    "min_order_value": Number,
    "max_price_significant_digits": Number,
    "supports_limit_orders": bool,
    "supports_market_orders": bool,
    "buy_order_collateral_token": str,
    "sell_order_collateral_token": str,
}


def page(row: Any) -> dict[str, Any]:
    pagination = {
        "limit": int,
        "has_more": bool,
        "next_cursor": (str, None),
        "total_count": int,
    }
    return {"data": [row], "pagination": pagination}


def check(value: Any, shape: Any, where: str = "answer") -> None:
    """Raise AssertionError, saying where, when the value has another shape."""
    wrong = f"{where} is {value!r}, not {shape!r}"
    match shape:
        case tuple() if not isinstance(shape, (Map, Literally)):
            assert any(_fits(value, one, where) for one in shape), wrong
        case Map(of):
            assert isinstance(value, dict), wrong
            for name, held in value.items():
                check(held, of, f"{where}[{name!r}]")
        case Literally(expected):
            assert value == expected, wrong
        case Mapping():
            assert isinstance(value, dict), wrong
            for name, inner in shape.items():
                assert name in value, f"{where} has no {name!r}: {value!r}"
                check(value[name], inner, f"{where}.{name}")
        case [inner]:
            assert isinstance(value, list), wrong
            for number, held in enumerate(value):
                check(held, inner, f"{where}[{number}]")
        case None:
            assert value is None, wrong
        case type():
            assert _is_a(value, shape), wrong
        case _:
            raise TypeError(f"{shape!r} is no shape")


def _fits(value: Any, shape: Any, where: str) -> bool:
    try:
        check(value, shape, where)
    except AssertionError:
        return False
    return True


def _is_a(value: Any, kind: type) -> bool:
    if kind is Number:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if kind is Iso:
        return isinstance(value, str) and datetime.fromisoformat(value).tzinfo is not None
    if kind is Text:
        try:
            return isinstance(value, str) and Decimal(value).is_finite()
        except InvalidOperation:
            return False
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
