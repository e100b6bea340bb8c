"""One row per account, connector and pair: what its fills have made and what they left open.

Signed base units and quote, as `domain/pnl.py` defines them. A row has the fills of many orders, so
it follows the log only; and it is about money, so an event that it cannot count stops it.
"""

from collections.abc import Mapping
from decimal import Decimal

from msgspec import Struct

from domain import pnl
from domain.order_messages import OrderFilled
from domain.pnl import Average, Book, Fifo, Lot
from projections.projection import Fact, Projection
from projections.tags import tags_of

ZERO = Decimal(0)


class PnlRow(Struct, frozen=True, kw_only=True):
    key: str
    account: str
    connector: str
    pair: str
    quantity: Decimal
    cost: Decimal
    """Of the open quantity, by average cost; below 0 for a short."""
    realised: Decimal
    """By average cost, before fees."""
    fifo_cost: Decimal | None
    """First in, first out; None where there are too many lots."""
    fifo_realised: Decimal | None
    lots: tuple[Lot, ...]
    bought: Decimal
    bought_notional: Decimal
    sold: Decimal
    sold_notional: Decimal
    fees: Mapping[str, Decimal]
    fees_quote: Decimal
    trades: int
    first_trade_us: int
    """By the venue's clock, of the trade that we came to know first."""
    last_trade_us: int
    created_position: int
    position: int


def keys(fact: Fact) -> tuple[str, ...]:
    metadata = fact.metadata
    if not (metadata.account and metadata.connector and metadata.pair):
        raise ValueError(f"A fill of {fact.stream} has no account, connector or pair beside it.")
    return (f"{metadata.account}/{metadata.connector}/{metadata.pair}",)


def evolve(row: PnlRow | None, fact: Fact, key: str) -> PnlRow:
    fill = fact.event
    if not isinstance(fill, OrderFilled):
        raise TypeError(f"Profit cannot come of {fill!r}.")
    account, connector, pair = key.split("/", 2)
    book = pnl.record(book_of(row), fill, connector, pair)
    fifo, average = book.fifo, book.average
    return PnlRow(
        key=key,
        account=account,
        connector=connector,
        pair=pair,
        quantity=average.quantity,
        cost=average.cost,
        realised=average.realised,
        fifo_cost=None if fifo is None else pnl.fifo_cost(average, fifo),
        fifo_realised=None if fifo is None else fifo.realised,
        lots=() if fifo is None else fifo.lots,
        bought=book.bought,
        bought_notional=book.bought_notional,
        sold=book.sold,
        sold_notional=book.sold_notional,
        fees=book.fees,
        fees_quote=book.fees_quote,
        trades=book.trades,
        first_trade_us=fill.executed_at_us if row is None else row.first_trade_us,
        last_trade_us=max(fill.executed_at_us, 0 if row is None else row.last_trade_us),
        created_position=fact.position if row is None else row.created_position,
        position=fact.position,
    )


def book_of(row: PnlRow | None) -> Book:
    if row is None:
        return Book()
    is_known = row.fifo_realised is not None
    return Book(
        average=Average(row.quantity, row.cost, row.realised),
        fifo=Fifo(row.lots, row.fifo_realised or ZERO) if is_known else None,
        bought=row.bought,
        bought_notional=row.bought_notional,
        sold=row.sold,
        sold_notional=row.sold_notional,
        fees=row.fees,
        fees_quote=row.fees_quote,
        trades=row.trades,
    )


PROJECTION = Projection("pnl", PnlRow, tags_of(OrderFilled), keys, evolve, halts=True)
