"""From ccxt's dictionaries to the port's structs: exact decimals, base units, microseconds.

Amounts of contracts are turned into base units by the market's contract size. Every function is
pure; a missing or crooked number raises ValueError, which proves nothing about any order.
"""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from adapters.venues.port import (
    Balance,
    FundingPayment,
    OrderType,
    Position,
    Side,
    VenueOrder,
    VenueStatus,
    VenueTrade,
)

ZERO = Decimal(0)
_STATUS: Mapping[str, VenueStatus] = {
    "open": "open",
    "closed": "filled",
    "canceled": "cancelled",
    "canceling": "open",
    "cancelled": "cancelled",
    "expired": "expired",
    "expired_in_match": "expired",
    "rejected": "rejected",
}


def number(value: object) -> Decimal:
    found = number_or_none(value)
    if found is None:
        raise ValueError("an amount is missing in the venue's answer")
    return found


def number_or_none(value: object) -> Decimal | None:
    if value is None or value == "":
        return None
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        raise ValueError(f"{value!r} is no amount") from None
    if not found.is_finite():
        raise ValueError(f"{value!r} is no amount")
    return found


def micros(milliseconds: object) -> int:
    return 0 if milliseconds is None else int(Decimal(str(milliseconds)) * 1000)


def pair_of(market: Mapping[str, Any]) -> str:
    return f"{market['base']}-{market['quote']}"


def size_of(market: Mapping[str, Any]) -> Decimal:
    """Base units in one unit of ccxt's amounts."""
    return number_or_none(market.get("contractSize")) or Decimal(1)


def number_of_order(found: Mapping[str, Any]) -> str:
    """The venue's. An answer without one tells of no order: ccxt makes None of what is missing."""
    number = found.get("id")
    if number is None or number == "":
        raise ValueError("the venue's answer names no order")
    return str(number)


def order(found: Mapping[str, Any], market: Mapping[str, Any], client_order_id: str) -> VenueOrder:
    """`client_order_id` is ours, whatever the venue made of it."""
    size = size_of(market)
    quantity, filled = number(found["amount"]) * size, number_or_none(found.get("filled")) or ZERO
    status = _status(found, filled * size, quantity)
    kind = order_type(found)
    created = found.get("timestamp") or found.get("lastUpdateTimestamp")
    return VenueOrder(
        client_order_id=client_order_id,
        exchange_order_id=number_of_order(found),
        pair=pair_of(market),
        side=side(found["side"]),
        order_type=kind,
        quantity=quantity,
        price=None if kind == "MARKET" else number(found["price"]),
        status=status,
        filled_quantity=filled * size,
        created_at_us=micros(created),
        updated_at_us=micros(found.get("lastUpdateTimestamp") or created),
        reason=None if status in ("open", "filled") else str(found["status"]),
    )


def _status(found: Mapping[str, Any], filled: Decimal, quantity: Decimal) -> VenueStatus:
    status = _STATUS.get(str(found["status"]))
    if status is None:
        raise ValueError(f"the venue's order has the unknown status {found['status']!r}")
    if status == "filled" and filled < quantity:
        return "cancelled"  # ccxt says closed for both where the venue does.
    return status


def order_type(found: Mapping[str, Any]) -> OrderType:
    if found.get("type") == "market":
        return "MARKET"
    return "LIMIT_MAKER" if found.get("postOnly") else "LIMIT"


def side(text: str) -> Side:
    return "BUY" if text == "buy" else "SELL"


def trade(found: Mapping[str, Any], market: Mapping[str, Any], client_order_id: str) -> VenueTrade:
    fee = found.get("fee") or {}
    trade_id = str(found["id"])
    return VenueTrade(
        trade_id=trade_id,
        sequence=int(trade_id) if trade_id.isdecimal() else micros(found["timestamp"]),
        client_order_id=client_order_id,
        exchange_order_id=str(found["order"]),
        pair=pair_of(market),
        side=side(found["side"]),
        quantity=number(found["amount"]) * size_of(market),
        price=number(found["price"]),
        fee=number_or_none(fee.get("cost")) or ZERO,
        fee_token=str(fee.get("currency") or ""),
        is_maker=found.get("takerOrMaker") == "maker",
        executed_at_us=micros(found["timestamp"]),
    )


def balances(found: Mapping[str, Any]) -> tuple[Balance, ...]:
    """Those that are not empty."""
    totals, free = found.get("total") or {}, found.get("free") or {}
    read = (
        Balance(token=token, total=total, available=number_or_none(free.get(token)) or ZERO)
        for token in sorted(totals)
        if (total := number_or_none(totals[token])) is not None
    )
    return tuple(balance for balance in read if balance.total or balance.available)


def position(found: Mapping[str, Any], market: Mapping[str, Any]) -> Position | None:
    """None of an empty one."""
    quantity = abs(number_or_none(found.get("contracts")) or ZERO) * size_of(market)
    if not quantity:
        return None
    return Position(
        pair=pair_of(market),
        side="SHORT" if found.get("side") == "short" else "LONG",
        quantity=quantity,
        entry_price=number_or_none(found.get("entryPrice")),
        unrealized_pnl=number_or_none(found.get("unrealizedPnl")),
        leverage=number_or_none(found.get("leverage")),
        at_us=micros(found.get("timestamp")),
    )


def funding(found: Mapping[str, Any], market: Mapping[str, Any]) -> FundingPayment:
    pair, paid_at_us = pair_of(market), micros(found["timestamp"])
    amount = number(found["amount"])
    return FundingPayment(
        payment_id=str(found.get("id") or f"{pair}/{paid_at_us}/{amount}"),
        pair=pair,
        amount=amount,
        token=str(found.get("code") or ""),
        rate=number_or_none((found.get("info") or {}).get("fundingRate")),
        position_quantity=None,
        position_side=None,
        paid_at_us=paid_at_us,
    )
