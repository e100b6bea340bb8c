"""One account's position in one pair of a perpetual venue, and whether our own fills explain it.

Quantities are in base units, above 0 for a side and signed (LONG less SHORT) where one number says
both; times are integer UTC microseconds. The surprising thing: the first comparison is the
baseline. What was held before, by hand or by bots, is no difference; what moves later without a
fill of ours is.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Literal, assert_never

from msgspec import Struct, structs

from domain.amounts import minus, plus
from domain.log import Routing

PositionSide = Literal["LONG", "SHORT"]
ZERO = Decimal(0)
ANSWER_US = 600_000_000
"""No answer is on its way for so long: one that seems older came after a clock was set back."""


class ObservePosition(Struct, frozen=True, tag="position.observe"):
    account: str
    connector: str
    pair: str
    side: PositionSide
    quantity: Decimal
    entry_price: Decimal | None
    unrealized_pnl: Decimal | None
    leverage: Decimal | None
    asked_at_us: int
    """When the venue was asked: what an older question found never overwrites a newer answer."""


class ObserveNoPosition(Struct, frozen=True, tag="position.observe_none"):
    """The venue shows nothing on this side any more."""

    account: str
    connector: str
    pair: str
    side: PositionSide
    asked_at_us: int


class ComparePosition(Struct, frozen=True, tag="position.compare"):
    """Both figures stood still from before a reconciliation until after it."""

    account: str
    connector: str
    pair: str
    venue: Decimal
    fills: Decimal
    """Bought less sold in all our fills of the pair."""
    asked_at_us: int


class PositionObserved(Struct, frozen=True, tag="position.observed.v1"):
    """The venue shows this, and it is other than what was seen before."""

    account: str
    connector: str
    pair: str
    side: PositionSide
    quantity: Decimal
    """In base units, above 0."""
    entry_price: Decimal | None
    """Null where the venue does not say."""
    unrealized_pnl: Decimal | None
    """As it was then; that it moves is no change of the position."""
    leverage: Decimal | None
    asked_at_us: int


class PositionClosed(Struct, frozen=True, tag="position.closed.v1"):
    """The venue shows nothing on this side any more."""

    account: str
    connector: str
    pair: str
    side: PositionSide
    asked_at_us: int


class PositionBaselineSet(Struct, frozen=True, tag="position.baseline_set.v1"):
    """From here on the venue's position and our fills are expected to move together."""

    account: str
    connector: str
    pair: str
    venue: Decimal
    """LONG less SHORT."""
    fills: Decimal
    """Bought less sold in all our fills of the pair until then."""


class PositionDiffers(Struct, frozen=True, tag="position.differs.v1"):
    """The venue's position moved otherwise than our fills: others trade there, or some are lost."""

    account: str
    connector: str
    pair: str
    venue: Decimal
    """LONG less SHORT."""
    own: Decimal
    """What the baseline and our fills since then come to."""


class PositionAgrees(Struct, frozen=True, tag="position.agrees.v1"):
    """The difference is gone."""

    account: str
    connector: str
    pair: str
    venue: Decimal
    """LONG less SHORT, which is what our fills come to as well."""


Command = ObservePosition | ObserveNoPosition | ComparePosition
Event = PositionObserved | PositionClosed | PositionBaselineSet | PositionDiffers | PositionAgrees


class Held(Struct, frozen=True):
    quantity: Decimal
    entry_price: Decimal | None
    leverage: Decimal | None


class Position(Struct, frozen=True):
    account: str = ""
    connector: str = ""
    pair: str = ""
    sides: Mapping[PositionSide, Held] = {}
    asked_at_us: Mapping[PositionSide, int] = {}
    offset: Decimal | None = None
    """What the venue showed beyond our fills at the first comparison."""
    difference: Decimal = ZERO
    """Venue less own, as it was last recorded."""

    def quantity(self, side: PositionSide) -> Decimal:
        held = self.sides.get(side)
        return ZERO if held is None else held.quantity


def stream(account: str, connector: str, pair: str) -> str:
    return f"position-{account}/{connector}/{pair}"


def decide(command: Command, state: Position) -> tuple[Event, ...]:
    match command:
        case ObservePosition():
            held = Held(command.quantity, command.entry_price, command.leverage)
            is_old = _is_old(command.asked_at_us, state.asked_at_us.get(command.side, 0))
            if is_old or state.sides.get(command.side) == held:
                return ()
            return (PositionObserved(*structs.astuple(command)),)
        case ObserveNoPosition(_, _, _, side, asked_at_us):
            if side not in state.sides or _is_old(asked_at_us, state.asked_at_us.get(side, 0)):
                return ()
            return (PositionClosed(*structs.astuple(command)),)
        case ComparePosition(account, connector, pair, venue, fills):
            if state.offset is None:
                return (PositionBaselineSet(account, connector, pair, venue, fills),)
            own = plus(state.offset, fills)
            difference = minus(venue, own)
            if difference == state.difference:
                return ()
            if not difference:
                return (PositionAgrees(account, connector, pair, venue),)
            return (PositionDiffers(account, connector, pair, venue, own),)
        case _:
            assert_never(command)


def _is_old(asked_at_us: int, known_at_us: int) -> bool:
    return 0 < known_at_us - asked_at_us < ANSWER_US


def evolve(state: Position, event: Event) -> Position:
    state = structs.replace(
        state, account=event.account, connector=event.connector, pair=event.pair
    )
    match event:
        case PositionObserved(side=side, asked_at_us=asked_at_us):
            held = Held(event.quantity, event.entry_price, event.leverage)
            return structs.replace(
                state,
                sides={**state.sides, side: held},
                asked_at_us={**state.asked_at_us, side: asked_at_us},
            )
        case PositionClosed(side=side, asked_at_us=asked_at_us):
            return structs.replace(
                state,
                sides={name: held for name, held in state.sides.items() if name != side},
                asked_at_us={**state.asked_at_us, side: asked_at_us},
            )
        case PositionBaselineSet(venue=venue, fills=fills):
            return structs.replace(state, offset=minus(venue, fills))
        case PositionDiffers(venue=venue, own=own):
            return structs.replace(state, difference=minus(venue, own))
        case PositionAgrees():
            return structs.replace(state, difference=ZERO)
        case _:
            assert_never(event)


def routing(state: Position) -> Routing:
    return Routing(state.account, state.connector, state.pair)
