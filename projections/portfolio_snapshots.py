"""One row per account, connector and minute: what was held at the last snapshot of that minute.

Times are integer UTC microseconds. Rows stay when their account is deleted: history was so.
"""

from decimal import Decimal

from msgspec import Struct

from domain.portfolio import ConnectorHeld, PortfolioObserved
from projections.portfolio_documents import document, value
from projections.projection import Fact, Projection
from projections.tags import tags_of

MINUTE_US = 60_000_000


class SnapshotRow(Struct, frozen=True, kw_only=True):
    key: str
    account: str
    connector: str
    minute_us: int
    document: str
    """JSON: a list of TokenItem."""
    value: Decimal
    """Of the tokens that have a price."""
    position: int


def minute_of(event: PortfolioObserved) -> int:
    """When the account was asked, not when a venue that is silent told it last."""
    return event.asked_at_us // MINUTE_US * MINUTE_US


def keys(fact: Fact) -> tuple[str, ...]:
    if not isinstance(fact.event, PortfolioObserved):
        return ()
    return tuple(_key(fact.event, its) for its in fact.event.held)


def evolve(_row: SnapshotRow | None, fact: Fact, key: str) -> SnapshotRow:
    event = fact.event
    if not isinstance(event, PortfolioObserved):
        raise TypeError(f"A snapshot cannot come of {event!r}.")
    held = next(its for its in event.held if _key(event, its) == key)
    return SnapshotRow(
        key=key,
        account=event.account,
        connector=held.connector,
        minute_us=minute_of(event),
        document=document(held),
        value=value(held),
        position=fact.position,
    )


def _key(event: PortfolioObserved, held: ConnectorHeld) -> str:
    return f"{event.account}/{held.connector}/{minute_of(event)}"


PROJECTION = Projection(
    "portfolio_snapshots", SnapshotRow, tags_of(PortfolioObserved), keys, evolve, halts=True
)
