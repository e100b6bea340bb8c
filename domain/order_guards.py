"""What may be placed: the streams and counts that a new order is held against, and what they allow.

All of them are folded under the log's lock, so nothing can change between the check and the event.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from msgspec import Struct, structs

from domain import account, credential, limits, switch
from domain.account import Account
from domain.credential import Credential
from domain.limits import Limits
from domain.order_messages import (
    CloseStarted,
    Command,
    DispatchOrder,
    Event,
    OrderPlaced,
    OrderValued,
    PlaceOrder,
    Side,
)
from domain.position import PositionSide
from domain.refusal import Refused
from domain.switch import Switch
from domain.tally import AccountTally, CloseTally

_PLACED_FIELDS = len(structs.fields(OrderPlaced))
_CLOSES: dict[Side, PositionSide] = {"SELL": "LONG", "BUY": "SHORT"}


class Guards(Struct, frozen=True):
    """In the order in which `streams` and then `counting.keys` name them."""

    switch_of_all: Switch = Switch()
    switch: Switch = Switch()
    account: Account = Account()
    credential: Credential = Credential()
    limits: Limits = Limits()
    counted: AccountTally = AccountTally()
    closes: CloseTally = CloseTally()


def streams(command: Command) -> tuple[str, ...]:
    """Streams that must be folded under the same lock before `decide` may speak."""
    match command:
        case PlaceOrder(name, connector):
            return _placing(name, connector)
        case DispatchOrder(account=name):
            return _dispatching(name)
        case _:
            return ()


@lru_cache(maxsize=4096)
def _placing(name: str, connector: str) -> tuple[str, ...]:
    return (
        switch.stream(switch.ALL),
        switch.stream(name),
        account.stream(name),
        credential.stream(name, connector),
        limits.stream(name),
    )


@lru_cache(maxsize=4096)
def _dispatching(name: str) -> tuple[str, ...]:
    return (switch.stream(switch.ALL), *((switch.stream(name),) if name else ()))


_NONE = Guards()


def guards_of(command: Command, states: Sequence[Any]) -> Guards:
    """From the states of `streams(command)` and then of the command's tallies."""
    return Guards(*states) if isinstance(command, PlaceOrder | DispatchOrder) else _NONE


def check_dispatch(guards: Guards) -> None:
    switch.check(guards.switch_of_all, guards.switch)


def check_place(command: PlaceOrder, guards: Guards) -> None:
    """Raise Refused where the account may not place the order, or may not now."""
    owner = guards.account
    if not owner.is_open:
        raise Refused("unknown_account", f"Account {command.account!r} does not exist.")
    if not credential.may_trade(owner, command.connector, guards.credential):
        raise Refused(
            "unknown_connector",
            f"Account {command.account!r} may not trade on {command.connector!r}: it has no "
            "credential in force there. Add one.",
        )
    switch.check(guards.switch_of_all, guards.switch)


def place(command: PlaceOrder, guards: Guards) -> tuple[Event, ...]:
    """A new order's events, or Refused where the order itself cannot be."""
    if command.order_type == "MARKET" and command.price is not None:
        raise Refused("price_not_allowed", "A MARKET order takes no price; leave it out.")
    if command.order_type != "MARKET" and command.price is None:
        raise Refused("price_required", f"A {command.order_type} order needs a price.")
    if command.closing is not None:
        return _close(command, guards)
    if not command.is_reduce_only:
        limits.check(command, guards.limits, guards.counted)
    _check_bound(command, guards.counted)
    placed = OrderPlaced(*structs.astuple(command)[:_PLACED_FIELDS])
    if command.reference_price is None or guards.limits.notional_per_order is None:
        return (placed,)
    return (placed, OrderValued(command.reference_price))


def _check_bound(command: PlaceOrder, counted: AccountTally) -> None:
    if command.open_orders_max is not None and counted.open_orders >= command.open_orders_max:
        raise Refused(
            "too_many_open_orders",
            f"Account {command.account!r} has {counted.open_orders} open orders, and this "
            f"installation takes {command.open_orders_max} an account (AVIARY_OPEN_ORDERS_MAX).",
        )


def _close(command: PlaceOrder, guards: Guards) -> tuple[Event, ...]:
    """No limit stops a close: there is one at a time, and never more than is held."""
    if guards.closes.live:
        order = guards.closes.live[0].removeprefix("order-")
        raise Refused(
            "close_in_flight",
            f"Order {order} closes this position already. Wait for its end, or cancel it.",
        )
    side = _CLOSES[command.side]
    held = guards.closes.left
    if not held:
        raise Refused(
            "no_position",
            f"Account {command.account!r} holds no {side} position in {command.pair} on "
            f"{command.connector!r}.",
        )
    if command.closing == "full":
        command = structs.replace(command, quantity=held, asked_quantity=None)
    elif command.quantity > held:
        raise Refused(
            "exceeds_position",
            f"The {side} position in {command.pair} is {held}; {command.quantity} cannot be "
            "closed of it. Leave the amount out to close all of it.",
        )
    placed = OrderPlaced(*structs.astuple(command)[:_PLACED_FIELDS])
    return (placed, CloseStarted(command.closing or "full", held, guards.closes.asked_at_us))
