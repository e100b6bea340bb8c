"""What an account may do at most: the worth of an order, open orders, orders in a minute.

Decided under the log's lock on exact counts, so that not one too many passes. A limit that is not
set does not limit; orders that only reduce a position are not stopped.
"""

from decimal import Decimal
from typing import assert_never

from msgspec import Struct, structs

from domain.account import Account
from domain.account import stream as account_stream
from domain.amounts import times
from domain.log import Routing
from domain.order_messages import OrderType, PlaceOrder, Side
from domain.refusal import Refused
from domain.tally import AccountTally


class SetLimits(Struct, frozen=True, tag="limits.set"):
    """All three at once: what is None is no limit any more."""

    account: str
    notional_per_order: Decimal | None = None
    open_orders: int | None = None
    orders_per_minute: int | None = None


class LimitsSet(Struct, frozen=True, tag="limits.set.v1"):
    """From here on the account has these limits and no others."""

    account: str
    notional_per_order: Decimal | None
    """In quote; null for no limit, as below."""
    open_orders: int | None
    orders_per_minute: int | None
    """In each minute of the clock."""


Command = SetLimits
Event = LimitsSet


class Limits(Struct, frozen=True):
    account: str = ""
    notional_per_order: Decimal | None = None
    open_orders: int | None = None
    orders_per_minute: int | None = None


def stream(account: str) -> str:
    return f"limits-{account}"


def guards(command: Command) -> tuple[str, ...]:
    return (account_stream(command.account),)


def decide(command: Command, state: Limits, account: Account) -> tuple[Event, ...]:
    match command:
        case SetLimits(name):
            if not account.is_open:
                raise Refused("unknown_account", f"Account {name!r} does not exist.")
            if structs.astuple(command)[1:] == structs.astuple(state)[1:]:
                return ()
            return (LimitsSet(*structs.astuple(command)),)
        case _:
            assert_never(command)


def evolve(_state: Limits, event: Event) -> Limits:
    match event:
        case LimitsSet():
            return Limits(*structs.astuple(event))
        case _:
            assert_never(event)


def check(command: PlaceOrder, limits: Limits, tally: AccountTally) -> None:
    """Raise Refused where the order would be beyond a limit; the tally is as of now."""
    if limits.notional_per_order is not None:
        _check_notional(command, limits.notional_per_order)
    if limits.open_orders is not None and tally.open_orders >= limits.open_orders:
        raise Refused(
            "open_orders_limit",
            f"Account {command.account!r} has {tally.open_orders} open orders; its limit is "
            f"{limits.open_orders}. Cancel some, or wait until they are closed.",
        )
    if limits.orders_per_minute is not None and tally.placed_in_minute >= limits.orders_per_minute:
        raise Refused(
            "orders_per_minute_limit",
            f"Account {command.account!r} has placed {tally.placed_in_minute} orders in "
            f"{_minute(tally)}; its limit is {limits.orders_per_minute}. Wait until that minute "
            "is over. Where it is far ahead a clock was wrong: take the limit away until then.",
        )


def _minute(tally: AccountTally) -> str:
    hour, minute = divmod(tally.minute % 1440, 60)
    return f"the minute {hour:02}:{minute:02} UTC (number {tally.minute} since 1970)"


def _check_notional(command: PlaceOrder, limit: Decimal) -> None:
    for price in (command.price, command.reference_price):
        if price is not None and (notional := times(command.quantity, price)) > limit:
            raise Refused(
                "notional_limit",
                f"{command.quantity} {command.pair} at {price} is worth {notional}; the limit of "
                f"account {command.account!r} is {limit} an order.",
            )
    if needs_reference(command.order_type, command.side) and command.reference_price is None:
        raise Refused(
            "price_unknown",
            f"Account {command.account!r} has a limit of {limit} an order, and what this "
            f"{command.order_type} order of {command.quantity} {command.pair} is worth cannot be "
            "told: its venue gave no price. Try again, or place one that trades at its own price "
            "or below: LIMIT to buy, LIMIT_MAKER to sell.",
        )


def needs_reference(order_type: OrderType, side: Side) -> bool:
    """Whether the order may be worth more than its price says: who sells names the least."""
    return order_type == "MARKET" or (order_type == "LIMIT" and side == "SELL")


def routing(state: Limits) -> Routing:
    return Routing(account=state.account)
