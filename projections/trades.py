"""One row per fill of one of our orders. A self-trade is two rows with one trade id."""

from decimal import Decimal

from msgspec import Struct

from domain.order_messages import OrderFilled
from projections.projection import Fact, Projection
from projections.tags import tags_of


class TradeRow(Struct, frozen=True, kw_only=True):
    key: str
    trade_id: str
    order_id: str
    account: str
    connector: str
    pair: str
    side: str
    quantity: Decimal
    price: Decimal
    fee: Decimal
    fee_token: str
    is_maker: bool
    executed_at_us: int
    position: int


def keys(fact: Fact) -> tuple[str, ...]:
    if not isinstance(fact.event, OrderFilled):
        return ()
    return (f"{fact.stream.removeprefix('order-')}:{fact.event.trade_id}",)


def evolve(_row: TradeRow | None, fact: Fact, key: str) -> TradeRow:
    fill = fact.event
    if not isinstance(fill, OrderFilled):
        raise TypeError(f"A trade cannot come of {fill!r}.")
    return TradeRow(
        key=key,
        trade_id=fill.trade_id,
        order_id=fact.stream.removeprefix("order-"),
        account=fact.metadata.account or "",
        connector=fact.metadata.connector or "",
        pair=fact.metadata.pair or "",
        side=fill.side,
        quantity=fill.quantity,
        price=fill.price,
        fee=fill.fee,
        fee_token=fill.fee_token,
        is_maker=fill.is_maker,
        executed_at_us=fill.executed_at_us,
        position=fact.position,
    )


PROJECTION = Projection(
    "trades", TradeRow, tags_of(OrderFilled), keys, evolve, is_keyed_by_stream=True
)
