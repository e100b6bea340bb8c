"""One trading account: which connectors it may trade on.

Its stream guards every order: no order without an open account that has the connector.
"""

from typing import assert_never

from msgspec import Struct, structs

from domain.log import Routing
from domain.refusal import Refused


class OpenAccount(Struct, frozen=True, tag="account.open"):
    account: str


class AddConnector(Struct, frozen=True, tag="account.add_connector"):
    account: str
    connector: str


class AccountOpened(Struct, frozen=True, tag="account.opened.v1"):
    account: str


class ConnectorAdded(Struct, frozen=True, tag="account.connector_added.v1"):
    account: str
    connector: str


class RequestReconciliation(Struct, frozen=True, tag="account.request_reconciliation"):
    """Compare our open orders and trades with the venue's, because it is time to."""

    connector: str
    due_us: int


class RecordReconciliation(Struct, frozen=True, tag="account.record_reconciliation"):
    connector: str
    orders_checked: int
    trades_seen: int
    asked_at: int
    """Position of the request that this answers, so that equal answers are two commands."""


Command = OpenAccount | AddConnector | RequestReconciliation | RecordReconciliation


class ReconciliationRequested(Struct, frozen=True, tag="account.reconciliation_requested.v1"):
    connector: str
    due_us: int


class Reconciled(Struct, frozen=True, tag="account.reconciled.v1"):
    connector: str
    orders_checked: int
    trades_seen: int


Event = AccountOpened | ConnectorAdded | ReconciliationRequested | Reconciled


class Account(Struct, frozen=True):
    name: str = ""
    is_open: bool = False
    connectors: frozenset[str] = frozenset()
    reconciling: frozenset[str] = frozenset()
    """Connectors whose reconciliation is wanted and not done yet."""


def stream(account: str) -> str:
    return f"account-{account}"


def decide(command: Command, state: Account) -> tuple[Event, ...]:
    match command:
        case OpenAccount(account):
            return () if state.is_open else (AccountOpened(account),)
        case AddConnector(account, connector):
            if not state.is_open:
                raise Refused("unknown_account", f"Account {account!r} does not exist.")
            if connector in state.connectors:
                return ()
            return (ConnectorAdded(account, connector),)
        case RequestReconciliation(connector, due_us):
            if connector not in state.connectors:
                raise Refused("unknown_connector", f"There is no connector {connector!r} here.")
            if connector in state.reconciling:
                return ()
            return (ReconciliationRequested(connector, due_us),)
        case RecordReconciliation(connector, orders_checked, trades_seen):
            if connector not in state.reconciling:
                return ()
            return (Reconciled(connector, orders_checked, trades_seen),)
        case _:
            assert_never(command)


def evolve(state: Account, event: Event) -> Account:
    match event:
        case AccountOpened(account):
            return structs.replace(state, name=account, is_open=True)
        case ConnectorAdded(_, connector):
            return structs.replace(state, connectors=state.connectors | {connector})
        case ReconciliationRequested(connector):
            return structs.replace(state, reconciling=state.reconciling | {connector})
        case Reconciled(connector):
            return structs.replace(state, reconciling=state.reconciling - {connector})
        case _:
            assert_never(event)


def routing(state: Account) -> Routing:
    return Routing(account=state.name)
