"""One row per account: what it held at the last snapshot, as the wire has it.

Which venues were silent at that snapshot stands beside it, since one that has never answered is in
no snapshot. A deleted account has no row.
"""

import msgspec
from msgspec import Struct, structs

from domain.account import AccountDeleted
from domain.portfolio import PortfolioObserved, PortfolioVenueSilent
from projections.portfolio_documents import document
from projections.projection import Fact, Projection
from projections.tags import tags_of

_encode = msgspec.json.encode


class Silence(Struct, frozen=True):
    error: str
    asked_at_us: int


class PortfolioRow(Struct, frozen=True, kw_only=True):
    key: str
    quote: str
    """Empty before the first snapshot."""
    asked_at_us: int
    document: str
    """JSON: lists of TokenItem by connector, in the order of their names."""
    silences: str
    """JSON: a Silence for each connector that did not answer when last asked."""
    position: int


def keys(fact: Fact) -> tuple[str, ...]:
    event = fact.event
    if not isinstance(event, PortfolioObserved | PortfolioVenueSilent | AccountDeleted):
        return ()
    return (event.account,)


def evolve(row: PortfolioRow | None, fact: Fact, key: str) -> PortfolioRow | None:
    event = fact.event
    known = {} if row is None else silences(row)
    if isinstance(event, PortfolioVenueSilent):
        of_now = _asked_at(event.asked_at_us, known)
        of_now[event.connector] = Silence(event.error, event.asked_at_us)
        told = _encode(of_now, order="sorted").decode()
        if row is not None:
            return structs.replace(row, silences=told, position=fact.position)
        return PortfolioRow(
            key=key,
            quote="",
            asked_at_us=event.asked_at_us,
            document="{}",
            silences=told,
            position=fact.position,
        )
    if not isinstance(event, PortfolioObserved):
        return None
    held = {its.connector: msgspec.Raw(document(its)) for its in event.held}
    return PortfolioRow(
        key=key,
        quote=event.quote,
        asked_at_us=event.asked_at_us,
        document=_encode(held).decode(),
        silences=_encode(_asked_at(event.asked_at_us, known), order="sorted").decode(),
        position=fact.position,
    )


def silences(row: PortfolioRow) -> dict[str, Silence]:
    return msgspec.json.decode(row.silences, type=dict[str, Silence])


def _asked_at(asked_at_us: int, known: dict[str, Silence]) -> dict[str, Silence]:
    """The silences of a snapshot come just before it."""
    return {name: its for name, its in known.items() if its.asked_at_us == asked_at_us}


PROJECTION = Projection(
    "portfolios",
    PortfolioRow,
    tags_of(PortfolioObserved, PortfolioVenueSilent, AccountDeleted),
    keys,
    evolve,
    halts=True,
)
