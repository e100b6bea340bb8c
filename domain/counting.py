"""How orders are counted: which tallies an order's commands and events touch, and how they change.

Pure, so that counting the log again gives what was counted while it was written.
"""

from msgspec import structs

from domain import tally
from domain.amounts import plus
from domain.order import Order
from domain.order_messages import (
    CloseStarted,
    Command,
    DispatchOrder,
    Event,
    OrderFilled,
    OrderPlaced,
    PlaceOrder,
    RecordAccepted,
    RecordUnknown,
)
from domain.tally import AccountTally, CloseTally, Tally


def keys(command: Command, order: Order) -> tuple[str, ...]:
    """Tallies that the command is decided on or may change."""
    match command:
        case PlaceOrder(account, connector, pair, side):
            is_close = command.closing is not None
        case DispatchOrder() | RecordAccepted() | RecordUnknown():
            return ()  # These neither begin nor end an order.
        case _:
            if order.status == "new":
                return ()
            account, connector, pair, side = order.account, order.connector, order.pair, order.side
            is_close = order.closing is not None
    if is_close:
        return (tally.of_account(account), tally.of_close(account, connector, pair, side))
    return (tally.of_account(account),)


def touched(before: Order, event: Event, after: Order) -> tuple[str, ...]:
    has_turned = before.is_live != after.is_live
    is_close = after.closing is not None and (
        has_turned or isinstance(event, CloseStarted | OrderFilled)
    )
    found = (tally.of_account(after.account),) if has_turned else ()
    if is_close:
        key = tally.of_close(after.account, after.connector, after.pair, after.side)
        return (*found, key)
    return found


def evolve(counted: Tally, stream: str, event: Event, after: Order, recorded_at_us: int) -> Tally:
    match counted:
        case AccountTally():
            return _account(counted, event, after, recorded_at_us)
        case CloseTally():
            return _close(counted, stream, event, after, recorded_at_us)


def _account(
    counted: AccountTally, event: Event, after: Order, recorded_at_us: int
) -> AccountTally:
    open_orders = counted.open_orders + (1 if after.is_live else -1)
    if not isinstance(event, OrderPlaced):
        return structs.replace(counted, open_orders=open_orders)
    now = tally.at(counted, recorded_at_us)
    return AccountTally(open_orders, now.minute, now.placed_in_minute + 1)


def _close(
    counted: CloseTally, stream: str, event: Event, after: Order, recorded_at_us: int
) -> CloseTally:
    others = tuple(name for name in counted.live if name != stream)
    live = (*others, stream) if after.is_live else others
    match event:
        case CloseStarted(asked_at_us=asked_at_us):
            now = tally.at(counted, recorded_at_us)
            if asked_at_us > now.filled_at_us:
                return CloseTally(live)  # The position tells of all that was filled before.
            return CloseTally(live, now.filled, now.filled_at_us)
        case OrderFilled(quantity=quantity):
            filled_at_us = max(counted.filled_at_us, recorded_at_us)
            return CloseTally(live, plus(counted.filled, quantity), filled_at_us)
        case _:
            return structs.replace(counted, live=live)
