"""What an account has set at a perpetual venue: leverage by pair, and the position mode.

A request is in the log before the venue hears of it, has an end, and then one outcome: set, refused
by the venue, unknown, or replaced by a later request. The surprising thing: nothing here is ever
asked for by a worker. A mode that nobody chose is not touched.
"""

from collections.abc import Mapping
from typing import Literal, assert_never

from msgspec import Struct, structs

from domain.account import Account
from domain.account import stream as account_stream
from domain.credential import Credential, may_trade
from domain.credential import stream as credential_stream
from domain.log import Routing
from domain.refusal import Refused

PositionMode = Literal["ONEWAY", "HEDGE"]
LEVERAGE_MAX = 125


class RequestLeverage(Struct, frozen=True, tag="perpetual.request_leverage"):
    account: str
    connector: str
    pair: str
    leverage: int
    until_us: int


class RecordLeverageSet(Struct, frozen=True, tag="perpetual.record_leverage_set"):
    pair: str
    number: int


class RecordLeverageRefused(Struct, frozen=True, tag="perpetual.record_leverage_refused"):
    pair: str
    number: int
    code: str
    text: str


class RecordLeverageUnknown(Struct, frozen=True, tag="perpetual.record_leverage_unknown"):
    pair: str
    number: int
    reason: str


class RequestPositionMode(Struct, frozen=True, tag="perpetual.request_position_mode"):
    account: str
    connector: str
    mode: PositionMode
    until_us: int


class RecordPositionModeSet(Struct, frozen=True, tag="perpetual.record_position_mode_set"):
    number: int


class RecordPositionModeRefused(Struct, frozen=True, tag="perpetual.record_position_mode_refused"):
    number: int
    code: str
    text: str


class RecordPositionModeUnknown(Struct, frozen=True, tag="perpetual.record_position_mode_unknown"):
    number: int
    reason: str


class LeverageRequested(Struct, frozen=True, tag="perpetual.leverage_requested.v1"):
    """The leverage is wanted; the venue has not been told yet."""

    account: str
    connector: str
    pair: str
    leverage: int
    number: int
    """Counts the requests of the account at the connector, from 1."""
    replaces: int | None
    """The number of an earlier request for the pair that had no outcome; this one takes over."""
    until_us: int
    """Not tried again after this time."""


class LeverageSet(Struct, frozen=True, tag="perpetual.leverage_set.v1"):
    """The venue has it."""

    pair: str
    leverage: int
    number: int


class LeverageRefused(Struct, frozen=True, tag="perpetual.leverage_refused.v1"):
    """The venue said no; what was set before stays."""

    pair: str
    number: int
    code: str
    """The venue's own, as it wrote it."""
    text: str


class LeverageUnknown(Struct, frozen=True, tag="perpetual.leverage_unknown.v1"):
    """Given up: the venue did not answer in time, and may have it or not."""

    pair: str
    number: int
    reason: str


class PositionModeRequested(Struct, frozen=True, tag="perpetual.position_mode_requested.v1"):
    """The mode is wanted; the venue has not been told yet."""

    account: str
    connector: str
    mode: PositionMode
    number: int
    """Counts the requests of the account at the connector, from 1."""
    replaces: int | None
    """The number of an earlier request for a mode that had no outcome; this one takes over."""
    until_us: int
    """Not tried again after this time."""


class PositionModeSet(Struct, frozen=True, tag="perpetual.position_mode_set.v1"):
    """The venue has it."""

    mode: PositionMode
    number: int


class PositionModeRefused(Struct, frozen=True, tag="perpetual.position_mode_refused.v1"):
    """The venue said no; the mode stays what it was."""

    number: int
    code: str
    """The venue's own, as it wrote it."""
    text: str


class PositionModeUnknown(Struct, frozen=True, tag="perpetual.position_mode_unknown.v1"):
    """Given up: the venue did not answer in time, and may have it or not."""

    number: int
    reason: str


Command = (
    RequestLeverage
    | RecordLeverageSet
    | RecordLeverageRefused
    | RecordLeverageUnknown
    | RequestPositionMode
    | RecordPositionModeSet
    | RecordPositionModeRefused
    | RecordPositionModeUnknown
)
Event = (
    LeverageRequested
    | LeverageSet
    | LeverageRefused
    | LeverageUnknown
    | PositionModeRequested
    | PositionModeSet
    | PositionModeRefused
    | PositionModeUnknown
)


class Perpetual(Struct, frozen=True):
    account: str = ""
    connector: str = ""
    number: int = 0
    """Of the last request."""
    leverages: Mapping[str, tuple[int, int]] = {}
    """Pair to (number, leverage) of the request that has no outcome yet."""
    mode: tuple[int, PositionMode] | None = None
    """(number, mode) of the request that has no outcome yet."""


def stream(account: str, connector: str) -> str:
    return f"perpetual-{account}/{connector}"


def guards(command: Command) -> tuple[str, ...]:
    if isinstance(command, RequestLeverage | RequestPositionMode):
        return (
            account_stream(command.account),
            credential_stream(command.account, command.connector),
        )
    return ()


def decide(
    command: Command, state: Perpetual, account: Account, credential: Credential
) -> tuple[Event, ...]:
    match command:
        case RequestLeverage(name, connector, pair, leverage, until_us):
            _check(name, connector, account, credential)
            if not 1 <= leverage <= LEVERAGE_MAX:
                text = f"A leverage of {leverage} is not from 1 to {LEVERAGE_MAX}."
                raise Refused("bad_leverage", text)
            earlier = state.leverages.get(pair)
            replaces = None if earlier is None else earlier[0]
            number = state.number + 1
            return (LeverageRequested(name, connector, pair, leverage, number, replaces, until_us),)
        case RequestPositionMode(name, connector, mode, until_us):
            _check(name, connector, account, credential)
            replaces = None if state.mode is None else state.mode[0]
            number = state.number + 1
            return (PositionModeRequested(name, connector, mode, number, replaces, until_us),)
        case (
            RecordLeverageSet(pair, number)
            | RecordLeverageRefused(pair, number)
            | (RecordLeverageUnknown(pair, number))
        ):
            asked = state.leverages.get(pair)
            if asked is None or asked[0] != number:
                return ()  # A later request has taken over, or the outcome is known.
            return (_leverage_outcome(command, asked[1]),)
        case (
            RecordPositionModeSet(number)
            | RecordPositionModeRefused(number)
            | (RecordPositionModeUnknown(number))
        ):
            if state.mode is None or state.mode[0] != number:
                return ()
            return (_mode_outcome(command, state.mode[1]),)
        case _:
            assert_never(command)


def _check(name: str, connector: str, account: Account, credential: Credential) -> None:
    if not account.is_open:
        raise Refused("unknown_account", f"Account {name!r} does not exist.")
    if not may_trade(account, connector, credential):
        text = f"Account {name!r} has no credential for {connector!r}; add one first."
        raise Refused("unknown_connector", text)


def _leverage_outcome(
    command: RecordLeverageSet | RecordLeverageRefused | RecordLeverageUnknown, leverage: int
) -> Event:
    match command:
        case RecordLeverageSet(pair, number):
            return LeverageSet(pair, leverage, number)
        case RecordLeverageRefused(pair, number, code, text):
            return LeverageRefused(pair, number, code, text)
        case RecordLeverageUnknown(pair, number, reason):
            return LeverageUnknown(pair, number, reason)
        case _:
            assert_never(command)


def _mode_outcome(
    command: RecordPositionModeSet | RecordPositionModeRefused | RecordPositionModeUnknown,
    mode: PositionMode,
) -> Event:
    match command:
        case RecordPositionModeSet(number):
            return PositionModeSet(mode, number)
        case RecordPositionModeRefused(number, code, text):
            return PositionModeRefused(number, code, text)
        case RecordPositionModeUnknown(number, reason):
            return PositionModeUnknown(number, reason)
        case _:
            assert_never(command)


def evolve(state: Perpetual, event: Event) -> Perpetual:
    match event:
        case LeverageRequested(account, connector, pair, leverage, number):
            leverages = {**state.leverages, pair: (number, leverage)}
            return structs.replace(
                state, account=account, connector=connector, number=number, leverages=leverages
            )
        case PositionModeRequested(account, connector, mode, number):
            return structs.replace(
                state, account=account, connector=connector, number=number, mode=(number, mode)
            )
        case LeverageSet(pair=done) | LeverageRefused(pair=done) | LeverageUnknown(pair=done):
            leverages = {pair: its for pair, its in state.leverages.items() if pair != done}
            return structs.replace(state, leverages=leverages)
        case PositionModeSet() | PositionModeRefused() | PositionModeUnknown():
            return structs.replace(state, mode=None)
        case _:
            assert_never(event)


def routing(state: Perpetual) -> Routing:
    return Routing(state.account, state.connector)
