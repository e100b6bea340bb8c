"""The rows that an event adds to the lake's folded tables. Rows are only ever added.

A figure that DECIMAL(38,18) cannot hold exactly is None, and its text stands in `exact`.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal

import msgspec

from domain.account import AccountDeleted
from domain.amounts import times
from domain.funding import FundingPaid
from domain.order_messages import Event as OrderEvent
from domain.order_messages import OrderFilled
from domain.portfolio import PortfolioObserved
from projections import orders
from projections.orders import OrderRow
from projections.projection import Fact
from projections.tags import tags_of

LakeRow = dict[str, object]
_DIGITS_MAX, _FINEST = 38, -18

TAGS: Mapping[str, frozenset[str]] = {
    "trades": tags_of(OrderFilled),
    "orders": tags_of(OrderEvent),
    "portfolio": tags_of(PortfolioObserved, AccountDeleted),
    "funding": tags_of(FundingPaid),
}
"""By table: the events that may add rows to it."""


def order_id(fact: Fact) -> str:
    return fact.stream.removeprefix("order-")


def trade_of(fact: Fact) -> LakeRow:
    fill = fact.event
    if not isinstance(fill, OrderFilled):
        raise TypeError(f"A trade cannot come of {fill!r}.")
    return {
        "position": fact.position,
        "trade_id": fill.trade_id,
        "order_id": order_id(fact),
        "account": fact.metadata.account or "",
        "connector": fact.metadata.connector or "",
        "pair": fact.metadata.pair or "",
        "side": fill.side,
        "fee_token": fill.fee_token,
        "executed_at_us": fill.executed_at_us,
        **_figures(
            quantity=fill.quantity,
            price=fill.price,
            notional=times(fill.quantity, fill.price),
            fee=fill.fee,
        ),
    }


def order_after(before: OrderRow | None, fact: Fact) -> tuple[OrderRow, LakeRow]:
    """The order after the event, as the read model has it, and the row that says so."""
    order = orders.evolve(before, fact, order_id(fact))
    if order is None:
        raise TypeError(f"{fact.event!r} left nothing of order {order_id(fact)}.")
    return order, {
        "position": fact.position,
        "order_id": order.key,
        "account": order.account,
        "connector": order.connector,
        "pair": order.pair,
        "side": order.side,
        "order_type": order.order_type,
        "outcome": order.outcome,
        "created_at_us": order.created_at_us,
        "updated_at_us": order.updated_at_us,
        **_figures(
            quantity=order.quantity,
            price=order.price,
            filled=order.filled,
            filled_notional=order.filled_notional,
        ),
    }


def holdings_of(fact: Fact) -> Iterator[LakeRow]:
    """What was seen; of a deleted account nothing, or its last value would count for ever."""
    seen = fact.event
    if isinstance(seen, AccountDeleted):
        yield _nothing_held(fact.position, seen.account, fact.metadata.recorded_at_us)
        return
    if not isinstance(seen, PortfolioObserved):
        raise TypeError(f"A portfolio cannot come of {seen!r}.")
    if not any(connector.tokens for connector in seen.held):
        yield _nothing_held(fact.position, seen.account, seen.asked_at_us)
    for connector in seen.held:
        for held in connector.tokens:
            value = None if held.price is None else times(held.units, held.price)
            yield {
                "position": fact.position,
                "observed_at_us": seen.asked_at_us,
                "account": seen.account,
                "connector": connector.connector,
                "token": held.token,
                "is_carried": connector.is_carried,
                **_figures(
                    units=held.units, available=held.available, price=held.price, value=value
                ),
            }


def _nothing_held(position: int, account: str, observed_at_us: int) -> LakeRow:
    """A row without a token: without any row it would seem that nothing had been looked at."""
    return {
        "position": position,
        "observed_at_us": observed_at_us,
        "account": account,
        "connector": "",
        "token": "",
        "is_carried": False,
        **_figures(units=Decimal(0), available=Decimal(0), price=None, value=Decimal(0)),
    }


def payment_of(fact: Fact) -> LakeRow:
    paid = fact.event
    if not isinstance(paid, FundingPaid):
        raise TypeError(f"A payment cannot come of {paid!r}.")
    return {
        "position": fact.position,
        "account": paid.account,
        "connector": paid.connector,
        "pair": paid.pair,
        "token": paid.token,
        "paid_at_us": paid.paid_at_us,
        "payment_id": paid.payment_id,
        **_figures(amount=paid.amount, rate=paid.rate),
    }


def _figures(**given: Decimal | None) -> dict[str, object]:
    unfit = {name: str(one) for name, one in given.items() if one is not None and not _fits(one)}
    found: dict[str, object] = {
        name: None if one is None or name in unfit else format(one, "f")
        for name, one in given.items()
    }
    found["exact"] = msgspec.json.encode(unfit).decode() if unfit else None
    return found


def _fits(figure: Decimal) -> bool:
    """Whether it has at most 20 digits before the point and 18 after it."""
    if not figure:
        return True
    _, digits, exponent = figure.as_tuple()
    if not isinstance(exponent, int) or figure.adjusted() >= _DIGITS_MAX + _FINEST:
        return False
    trailing = 0
    for digit in reversed(digits):
        if digit:
            break
        trailing += 1
    return exponent + trailing >= _FINEST
