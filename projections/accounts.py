"""One row per name that ever was an account: whether it is open, and what it may trade on as such.

`generation` counts the openings; credentials of another generation are not in force.
"""

from msgspec import Struct, structs

from domain.account import AccountDeleted, AccountOpened, ConnectorAdded
from projections.projection import Fact, Projection
from projections.tags import tags_of


class AccountRow(Struct, frozen=True, kw_only=True):
    key: str
    is_open: bool = True
    generation: int
    connectors: tuple[str, ...] = ()
    opened_at_us: int
    deleted_at_us: int | None = None
    position: int


def keys(fact: Fact) -> tuple[str, ...]:
    return (fact.stream.removeprefix("account-"),)


def evolve(row: AccountRow | None, fact: Fact, key: str) -> AccountRow | None:
    match fact.event:
        case AccountOpened():
            return AccountRow(
                key=key,
                generation=1 if row is None else row.generation + 1,
                opened_at_us=fact.metadata.recorded_at_us,
                position=fact.position,
            )
        case ConnectorAdded(_, connector) if row is not None:
            connectors = tuple(sorted({*row.connectors, connector}))
            return structs.replace(row, connectors=connectors, position=fact.position)
        case AccountDeleted() if row is not None:
            return structs.replace(
                row,
                is_open=False,
                connectors=(),
                deleted_at_us=fact.metadata.recorded_at_us,
                position=fact.position,
            )
        case _:
            return row


PROJECTION = Projection(
    "accounts",
    AccountRow,
    tags_of(AccountOpened, ConnectorAdded, AccountDeleted),
    keys,
    evolve,
)
"""Read by the dispatcher, so it follows the log only."""
