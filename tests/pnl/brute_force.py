"""Profit and loss counted anew from all fills, slowly and in fractions: what domain/pnl.py is held
against. It shares no code with it and knows no rounding.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from domain.order_messages import OrderFilled


@dataclass
class Counted:
    quantity: Fraction = Fraction(0)
    average_realised: Fraction = Fraction(0)
    average_cost: Fraction = Fraction(0)
    fifo_realised: Fraction = Fraction(0)
    fifo_cost: Fraction = Fraction(0)
    bought: Fraction = Fraction(0)
    bought_notional: Fraction = Fraction(0)
    sold: Fraction = Fraction(0)
    sold_notional: Fraction = Fraction(0)
    fees: dict[str, Fraction] = field(default_factory=dict)
    fees_quote: Fraction = Fraction(0)
    trades: int = 0
    reductions: int = 0
    """How often a part was closed: so often average cost may have been rounded."""


def count(fills: Sequence[OrderFilled], connector: str, pair: str) -> Counted:
    """Of one pair, all its fills in the order of the log."""
    found = Counted()
    base, quote = pair.split("-")
    changes: list[tuple[Fraction, Fraction]] = []
    for fill in fills:
        quantity, price, fee = Fraction(fill.quantity), Fraction(fill.price), Fraction(fill.fee)
        found.trades += 1
        if fill.side == "BUY":
            found.bought += quantity
            found.bought_notional += quantity * price
        else:
            found.sold += quantity
            found.sold_notional += quantity * price
        if fee:
            found.fees[fill.fee_token] = found.fees.get(fill.fee_token, Fraction(0)) + fee
        change = quantity if fill.side == "BUY" else -quantity
        if fill.fee_token == quote:
            found.fees_quote += fee
        elif fill.fee_token == base:
            found.fees_quote += fee * price
            if "_perpetual" not in connector:
                change -= fee
        changes.append((change, price))
    _by_average(found, changes)
    _first_in_first_out(found, changes)
    return found


def _by_average(found: Counted, changes: Sequence[tuple[Fraction, Fraction]]) -> None:
    """Entry price and size, as a trader keeps them on paper."""
    size, entry = Fraction(0), Fraction(0)
    for change, price in changes:
        if size * change >= 0:
            if size + change:
                entry = (size * entry + change * price) / (size + change)
            size += change
            continue
        if abs(change) < abs(size):
            found.reductions += 1
        closed = min(abs(change), abs(size))
        found.average_realised += closed * (price - entry) * (1 if size > 0 else -1)
        if abs(change) > abs(size):
            entry = price
        size += change
    found.quantity, found.average_cost = size, size * entry


def _first_in_first_out(found: Counted, changes: Sequence[tuple[Fraction, Fraction]]) -> None:
    """Every change against the oldest of the other side, one by one."""
    queue: list[list[Fraction]] = []
    for change, price in changes:
        left = change
        while left and queue and queue[0][0] * left < 0:
            oldest = queue[0]
            closed = min(abs(oldest[0]), abs(left))
            sign = 1 if oldest[0] > 0 else -1
            found.fifo_realised += closed * (price - oldest[1]) * sign
            oldest[0] -= sign * closed
            left += sign * closed
            if not oldest[0]:
                queue.pop(0)
        if left:
            queue.append([left, price])
    found.fifo_cost = sum((size * price for size, price in queue), Fraction(0))
