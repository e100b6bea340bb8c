"""The comparisons of one account's orders and trades with a venue's, for one day (UTC).

A stream of its own for each day: the account's stream guards every order and must stay short. What
is live at a venue is compared whatever the account may still do there, so nothing guards this.
"""

from typing import assert_never

from msgspec import Struct

from domain.log import Routing

DAY_US = 86_400_000_000


class RequestReconciliation(Struct, frozen=True, tag="reconciliation.request"):
    """Compare, because it is time to."""

    account: str
    connector: str
    due_us: int


class RecordReconciliation(Struct, frozen=True, tag="reconciliation.record"):
    account: str
    connector: str
    orders_checked: int
    trades_seen: int
    asked_at: int
    """Position of the request that this answers, so that equal answers are two commands."""


class ReconciliationRequested(Struct, frozen=True, tag="reconciliation.requested.v1"):
    """Our orders and trades are to be compared with the venue's."""

    account: str
    connector: str
    due_us: int


class Reconciled(Struct, frozen=True, tag="reconciliation.recorded.v1"):
    """They were compared; what differed is in events of the orders themselves."""

    account: str
    connector: str
    orders_checked: int
    trades_seen: int


Command = RequestReconciliation | RecordReconciliation
Event = ReconciliationRequested | Reconciled


class Reconciliation(Struct, frozen=True):
    account: str = ""
    connector: str = ""
    is_wanted: bool = False


def stream(account: str, connector: str, due_us: int) -> str:
    return f"reconciliation-{account}/{connector}/{due_us // DAY_US}"


def decide(command: Command, state: Reconciliation) -> tuple[Event, ...]:
    match command:
        case RequestReconciliation(name, connector, due_us):
            return () if state.is_wanted else (ReconciliationRequested(name, connector, due_us),)
        case RecordReconciliation(name, connector, orders_checked, trades_seen):
            if not state.is_wanted:
                return ()
            return (Reconciled(name, connector, orders_checked, trades_seen),)
        case _:
            assert_never(command)


def evolve(_state: Reconciliation, event: Event) -> Reconciliation:
    return Reconciliation(
        event.account, event.connector, is_wanted=isinstance(event, ReconciliationRequested)
    )


def routing(state: Reconciliation) -> Routing:
    return Routing(state.account, state.connector)
