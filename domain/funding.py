"""Funding payments of an account at a perpetual venue, one day (UTC) a stream; each counts once.

Amounts are in the token that was paid, below 0 where we paid; times are integer UTC microseconds of
the venue. The payment's own time says its stream, so the same payment always comes to the same one.
"""

from decimal import Decimal
from typing import Literal

from msgspec import Struct

from domain.log import Routing

PositionSide = Literal["LONG", "SHORT"]
DAY_US = 86_400_000_000


class RecordFunding(Struct, frozen=True, tag="funding.record"):
    account: str
    connector: str
    payment_id: str
    pair: str
    amount: Decimal
    token: str
    rate: Decimal | None
    position_quantity: Decimal | None
    position_side: PositionSide | None
    paid_at_us: int


class FundingPaid(Struct, frozen=True, tag="funding.paid.v1"):
    """One payment, once, however often the venue told it."""

    account: str
    connector: str
    payment_id: str
    """The venue's; unique for an account at a connector only."""
    pair: str
    amount: Decimal
    """Below 0 where we paid."""
    token: str
    rate: Decimal | None
    """Of the interval that was paid for; null where the venue does not say."""
    position_quantity: Decimal | None
    position_side: PositionSide | None
    paid_at_us: int


Command = RecordFunding
Event = FundingPaid


class Funding(Struct, frozen=True):
    account: str = ""
    connector: str = ""
    payments: frozenset[str] = frozenset()


def stream(account: str, connector: str, paid_at_us: int) -> str:
    return f"funding-{account}/{connector}/{paid_at_us // DAY_US}"


def decide(command: Command, state: Funding) -> tuple[Event, ...]:
    if command.payment_id in state.payments:
        return ()
    return (
        FundingPaid(
            command.account,
            command.connector,
            command.payment_id,
            command.pair,
            command.amount,
            command.token,
            command.rate,
            command.position_quantity,
            command.position_side,
            command.paid_at_us,
        ),
    )


def evolve(state: Funding, event: Event) -> Funding:
    return Funding(event.account, event.connector, state.payments | {event.payment_id})


def routing(state: Funding) -> Routing:
    return Routing(state.account, state.connector)
