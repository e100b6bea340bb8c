"""The kill switch, of one account or of all: while it is engaged nothing new is placed.

What is open is cancelled by the dispatcher for as long as it lasts; only `LiftSwitch` ends it.
"""

from typing import assert_never

from msgspec import Struct

from domain.account import Account
from domain.account import stream as account_stream
from domain.log import Routing
from domain.refusal import Refused

ALL = "*"
"""The scope of every account; no account can have this name."""


class EngageSwitch(Struct, frozen=True, tag="switch.engage"):
    scope: str
    """An account's name, or `*`."""
    reason: str


class LiftSwitch(Struct, frozen=True, tag="switch.lift"):
    scope: str
    reason: str


class SwitchEngaged(Struct, frozen=True, tag="switch.engaged.v1"):
    """Nothing is placed any more, and what is open is cancelled."""

    scope: str
    """An account's name, or `*` for all."""
    reason: str


class SwitchLifted(Struct, frozen=True, tag="switch.lifted.v1"):
    """Orders are taken again; what was cancelled stays cancelled."""

    scope: str
    """An account's name, or `*` for all."""
    reason: str


Command = EngageSwitch | LiftSwitch
Event = SwitchEngaged | SwitchLifted


class Switch(Struct, frozen=True):
    scope: str = ""
    is_engaged: bool = False
    reason: str = ""


def stream(scope: str) -> str:
    return f"switch-{scope}"


def guards(command: Command) -> tuple[str, ...]:
    return () if command.scope == ALL else (account_stream(command.scope),)


def decide(
    command: Command,
    state: Switch,
    account: Account = Account(),  # noqa: B008 - frozen
) -> tuple[Event, ...]:
    """Lifting needs no open account: what was deleted while engaged can still be lifted."""
    match command:
        case EngageSwitch(scope, reason):
            if state.is_engaged:
                return ()
            if scope != ALL and not account.is_open:
                raise Refused("unknown_account", f"Account {scope!r} does not exist.")
            return (SwitchEngaged(scope, reason),)
        case LiftSwitch(scope, reason):
            return (SwitchLifted(scope, reason),) if state.is_engaged else ()
        case _:
            assert_never(command)


def evolve(_state: Switch, event: Event) -> Switch:
    match event:
        case SwitchEngaged(scope, reason):
            return Switch(scope, is_engaged=True, reason=reason)
        case SwitchLifted(scope):
            return Switch(scope)
        case _:
            assert_never(event)


def check(*switches: Switch) -> None:
    """Raise Refused while any of them is engaged."""
    for switch in switches:
        if switch.is_engaged:
            whose = "for all accounts" if switch.scope == ALL else f"for {switch.scope!r}"
            because = f" ({switch.reason})" if switch.reason else ""
            raise Refused(
                "kill_switch",
                f"The kill switch is engaged {whose}{because}: nothing is placed until it is "
                "lifted.",
            )


def routing(state: Switch) -> Routing:
    return Routing(account=None if state.scope == ALL else state.scope)
