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
    """The account exists."""

    account: str


class ConnectorAdded(Struct, frozen=True, tag="account.connector_added.v1"):
    """The account may trade on the connector."""

    account: str
    connector: str


Command = OpenAccount | AddConnector
Event = AccountOpened | ConnectorAdded


class Account(Struct, frozen=True):
    name: str = ""
    is_open: bool = False
    connectors: frozenset[str] = frozenset()


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
        case _:
            assert_never(command)


def evolve(state: Account, event: Event) -> Account:
    match event:
        case AccountOpened(account):
            return structs.replace(state, name=account, is_open=True)
        case ConnectorAdded(_, connector):
            return structs.replace(state, connectors=state.connectors | {connector})
        case _:
            assert_never(event)


def routing(state: Account) -> Routing:
    return Routing(account=state.name)
