"""How orders and positions are counted: which tallies commands and events touch, and how.

Pure, so that counting the log again gives what was counted while it was written.
"""

from msgspec import structs

from domain import position, tally
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
    Side,
)
from domain.position import (
    ObserveNoPosition,
    ObservePosition,
    Position,
    PositionClosed,
    PositionObserved,
    PositionSide,
)
from domain.tally import ZERO, AccountTally, CloseTally, Tally

CLOSED_BY: dict[PositionSide, Side] = {"LONG": "SELL", "SHORT": "BUY"}


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
        case CloseStarted():
            now: CloseTally = tally.at(counted, recorded_at_us)
            return structs.replace(now, live=live)
        case OrderFilled(quantity=quantity):
            is_ahead = counted.filled_at_us - recorded_at_us > tally.SETTLED_US
            return structs.replace(
                counted,
                live=live,
                filled=plus(counted.filled, quantity),
                filled_at_us=recorded_at_us
                if is_ahead
                else max(counted.filled_at_us, recorded_at_us),
            )
        case _:
            return structs.replace(counted, live=live)


def position_keys(command: position.Command, _state: Position) -> tuple[str, ...]:
    match command:
        case ObservePosition(account, connector, pair, side):
            return (tally.of_close(account, connector, pair, CLOSED_BY[side]),)
        case ObserveNoPosition(account, connector, pair, side):
            return (tally.of_close(account, connector, pair, CLOSED_BY[side]),)
        case _:
            return ()


def position_touched(_before: Position, event: position.Event, _after: Position) -> tuple[str, ...]:
    match event:
        case PositionObserved(account, connector, pair, side):
            return (tally.of_close(account, connector, pair, CLOSED_BY[side]),)
        case PositionClosed(account, connector, pair, side):
            return (tally.of_close(account, connector, pair, CLOSED_BY[side]),)
        case _:
            return ()


def position_evolve(
    counted: CloseTally, _stream: str, event: position.Event, _after: Position, _at_us: int
) -> CloseTally:
    """Fills that were known when the venue was asked are in what it showed."""
    match event:
        case PositionObserved(quantity=held, asked_at_us=asked_at_us):
            pass
        case PositionClosed(asked_at_us=asked_at_us):
            held = ZERO
        case _:
            return counted
    if asked_at_us > counted.filled_at_us:
        return CloseTally(counted.live, held, asked_at_us)
    return structs.replace(counted, held=held, asked_at_us=asked_at_us)
