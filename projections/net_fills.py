"""Bought less sold in all our fills of a pair at a perpetual venue, in base units.

What a position of ours alone would be. A row has the fills of many orders, and the dispatcher reads
it: it follows the log only.
"""

from decimal import Decimal

from msgspec import Struct

from domain.amounts import minus, plus
from domain.order_messages import OrderFilled
from projections.projection import Fact, Projection
from projections.tags import tags_of

ZERO = Decimal(0)
_PERPETUAL = "_perpetual"
"""Stands in the name of every perpetual connector, and of no other."""


class NetRow(Struct, frozen=True, kw_only=True):
    key: str
    account: str
    connector: str
    pair: str
    net: Decimal
    position: int


def keys(fact: Fact) -> tuple[str, ...]:
    metadata = fact.metadata
    if metadata.connector is None or _PERPETUAL not in metadata.connector:
        return ()
    return (f"{metadata.account}/{metadata.connector}/{metadata.pair}",)


def evolve(row: NetRow | None, fact: Fact, key: str) -> NetRow:
    fill = fact.event
    if not isinstance(fill, OrderFilled):
        raise TypeError(f"A fill cannot come of {fill!r}.")
    before = ZERO if row is None else row.net
    change = plus if fill.side == "BUY" else minus
    return NetRow(
        key=key,
        account=fact.metadata.account or "",
        connector=fact.metadata.connector or "",
        pair=fact.metadata.pair or "",
        net=change(before, fill.quantity),
        position=fact.position,
    )


PROJECTION = Projection("net_fills", NetRow, tags_of(OrderFilled), keys, evolve)
