"""One trading account: whether it is open, and the connectors that it has without a credential.

Its stream guards every order and every credential. An account may be deleted and opened anew under
the same name: `generation` counts its openings, and nothing of an earlier one counts in a later.
"""

from typing import assert_never

from msgspec import Struct, structs

from domain import tally
from domain.log import Routing
from domain.refusal import Refused
from domain.tally import AccountTally

MASTER_ACCOUNT = "master_account"
RESERVED = frozenset({"gateway", "orders", "positions", "trades", "*"})
"""Words of routes, and the one that stands for every account."""


class OpenAccount(Struct, frozen=True, tag="account.open"):
    account: str


class AddConnector(Struct, frozen=True, tag="account.add_connector"):
    account: str
    connector: str


class DeleteAccount(Struct, frozen=True, tag="account.delete"):
    account: str


class AccountOpened(Struct, frozen=True, tag="account.opened.v1"):
    """The account exists."""

    account: str


class ConnectorAdded(Struct, frozen=True, tag="account.connector_added.v1"):
    """The account may trade on the connector."""

    account: str
    connector: str


class AccountDeleted(Struct, frozen=True, tag="account.deleted.v1"):
    """The account exists no more, and none of its credentials is in force."""

    account: str
    generation: int
    """Which opening of the account has ended, from 1."""


Command = OpenAccount | AddConnector | DeleteAccount
Event = AccountOpened | ConnectorAdded | AccountDeleted


class Account(Struct, frozen=True):
    name: str = ""
    is_open: bool = False
    connectors: frozenset[str] = frozenset()
    generation: int = 0
    """How often it was opened."""


def stream(account: str) -> str:
    return f"account-{account}"


def counted(command: Command, _state: Account) -> tuple[str, ...]:
    """Tallies that the command is decided on; an account changes none."""
    return (tally.of_account(command.account),) if isinstance(command, DeleteAccount) else ()


def decide(
    command: Command,
    state: Account,
    orders: AccountTally = AccountTally(),  # noqa: B008 - frozen
) -> tuple[Event, ...]:
    match command:
        case OpenAccount(account):
            if account in RESERVED:
                raise Refused("reserved_name", f"{account!r} has a meaning of its own here.")
            if state.is_open:
                raise Refused("account_exists", f"Account {account!r} exists already.")
            return (AccountOpened(account),)
        case AddConnector(account, connector):
            if not state.is_open:
                raise _unknown(account)
            if connector in state.connectors:
                return ()
            return (ConnectorAdded(account, connector),)
        case DeleteAccount(account):
            if account == MASTER_ACCOUNT:
                raise Refused("account_protected", f"{MASTER_ACCOUNT!r} cannot be deleted.")
            if not state.is_open:
                raise _unknown(account)
            if orders.open_orders:
                text = f"Account {account!r} still has live orders: {orders.open_orders}."
                raise Refused("account_busy", f"{text} Cancel them first.")
            return (AccountDeleted(account, state.generation),)
        case _:
            assert_never(command)


def _unknown(account: str) -> Refused:
    return Refused("unknown_account", f"Account {account!r} does not exist.")


def evolve(state: Account, event: Event) -> Account:
    match event:
        case AccountOpened(account):
            return Account(account, is_open=True, generation=state.generation + 1)
        case ConnectorAdded(_, connector):
            return structs.replace(state, connectors=state.connectors | {connector})
        case AccountDeleted(account, generation):
            return Account(account, generation=generation)
        case _:
            assert_never(event)


def routing(state: Account) -> Routing:
    return Routing(account=state.name)
