"""One row per funding payment; amounts in the token that was paid, below 0 where we paid."""

from decimal import Decimal

from msgspec import Struct

from domain.funding import FundingPaid
from projections.projection import Fact, Projection
from projections.tags import tags_of


class FundingRow(Struct, frozen=True, kw_only=True):
    key: str
    """Account, connector and the venue's id: two accounts may be paid under one id."""
    payment_id: str
    account: str
    connector: str
    pair: str
    amount: Decimal
    token: str
    rate: Decimal | None
    position_quantity: Decimal | None
    position_side: str | None
    paid_at_us: int
    position: int


def keys(fact: Fact) -> tuple[str, ...]:
    event = fact.event
    if not isinstance(event, FundingPaid):
        return ()
    return (f"{event.account}/{event.connector}/{event.payment_id}",)


def evolve(_row: FundingRow | None, fact: Fact, key: str) -> FundingRow:
    event = fact.event
    if not isinstance(event, FundingPaid):
        raise TypeError(f"A payment cannot come of {event!r}.")
    return FundingRow(
        key=key,
        payment_id=event.payment_id,
        account=event.account,
        connector=event.connector,
        pair=event.pair,
        amount=event.amount,
        token=event.token,
        rate=event.rate,
        position_quantity=event.position_quantity,
        position_side=event.position_side,
        paid_at_us=event.paid_at_us,
        position=fact.position,
    )


PROJECTION = Projection(
    "funding", FundingRow, tags_of(FundingPaid), keys, evolve, is_keyed_by_stream=True
)
