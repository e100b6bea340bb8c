"""The rows that an event adds to the lake's folded tables. Rows are only ever added.

A figure that DECIMAL(38,18) cannot hold exactly is None, and its text stands in `exact`.
"""

from collections.abc import Iterator, Mapping
from decimal import Context, Decimal, DecimalException, Inexact, InvalidOperation

import msgspec

from domain.account import AccountDeleted
from domain.amounts import times
from domain.funding import FundingPaid
from domain.order_messages import Event as OrderEvent
from domain.order_messages import OrderFilled
from domain.portfolio import ConnectorHeld, PortfolioObserved
from projections import orders, portfolio_documents
from projections.orders import OrderRow
from projections.projection import Fact
from projections.tags import tags_of

LakeRow = dict[str, object]
_FINEST = Decimal("1e-18")
_DECIMAL_38_18 = Context(prec=38, traps=[Inexact, InvalidOperation])

TAGS: Mapping[str, frozenset[str]] = {
    "trades": tags_of(OrderFilled),
    "orders": tags_of(OrderEvent),
    "portfolio": tags_of(PortfolioObserved, AccountDeleted),
    "portfolio_values": tags_of(PortfolioObserved, AccountDeleted),
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
    """What was seen, or a row of nothing: without any it would seem that nobody had looked."""
    account, observed_at_us, connectors = _snapshot(fact)
    if not any(connector.tokens for connector in connectors):
        yield _nothing_held(fact.position, account, observed_at_us)
    for connector in connectors:
        for held in connector.tokens:
            value = None if held.price is None else times(held.units, held.price)
            yield {
                "position": fact.position,
                "observed_at_us": observed_at_us,
                "account": account,
                "connector": connector.connector,
                "token": held.token,
                "is_carried": connector.is_carried,
                **_figures(
                    units=held.units, available=held.available, price=held.price, value=value
                ),
            }


def values_of(fact: Fact) -> Iterator[LakeRow]:
    """What tokens with a price are worth, by connector; a snapshot without connectors has a 0."""
    account, observed_at_us, connectors = _snapshot(fact)
    for connector in connectors or (None,):
        yield _value(fact.position, account, observed_at_us, connector)


def _snapshot(fact: Fact) -> tuple[str, int, tuple[ConnectorHeld, ...]]:
    """Whose, as of when, and what. Of a deleted account nothing: its last value must not stay."""
    match fact.event:
        case AccountDeleted(account):
            return account, fact.metadata.recorded_at_us, ()
        case PortfolioObserved() as seen:
            return seen.account, seen.asked_at_us, seen.held
        case other:
            raise TypeError(f"A snapshot cannot come of {other!r}.")


def _value(position: int, account: str, observed_at_us: int, held: ConnectorHeld | None) -> LakeRow:
    return {
        "position": position,
        "observed_at_us": observed_at_us,
        "account": account,
        "connector": "" if held is None else held.connector,
        "is_carried": held is not None and held.is_carried,
        **_figures(value=Decimal(0) if held is None else portfolio_documents.value(held)),
    }


def _nothing_held(position: int, account: str, observed_at_us: int) -> LakeRow:
    """A row without a token."""
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
    found: dict[str, object] = {}
    unfit: dict[str, str] = {}
    for name, figure in given.items():
        if figure is None or fits(figure):
            found[name] = figure
        else:
            found[name], unfit[name] = None, str(figure)
    found["exact"] = msgspec.json.encode(unfit).decode() if unfit else None
    return found


def fits(figure: Decimal | int) -> bool:
    """Whether it has at most 20 digits before the point and 18 after it."""
    try:
        return _DECIMAL_38_18.quantize(Decimal(figure), _FINEST).is_finite()
    except DecimalException:
        return False
