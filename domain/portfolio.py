"""What one account holds at its venues, and the prices that count: each time a whole snapshot.

Units are the tokens' own, prices in the snapshot's quote currency, both exact decimals; times are
integer UTC microseconds. The surprising thing: a snapshot is recorded although nothing has changed,
and a venue that did not answer is in it with what it told last, marked as carried over.
"""

from decimal import Decimal
from typing import Literal, assert_never

from msgspec import Struct, structs

from domain import account
from domain.account import Account
from domain.log import Routing
from domain.refusal import Refused

Cause = Literal["interval", "fill", "asked"]
ANSWER_US = 600_000_000
"""No answer is on its way for so long: one that seems older came after a clock was set back."""


class TokenHeld(Struct, frozen=True):
    token: str
    units: Decimal
    """As the venue tells its total. At perpetual venues this is what the venue calls a balance:
    at Binance the margin balance, in which the profit of open positions is counted; others leave
    that out."""
    available: Decimal
    """What orders have not bound; at a perpetual venue, what is free as margin."""
    price: Decimal | None
    """In the snapshot's quote currency; null where no market tells it, which is not 0."""


class ConnectorHeld(Struct, frozen=True):
    connector: str
    observed_at_us: int
    """When the venue was asked for what it then told."""
    tokens: tuple[TokenHeld, ...]
    """Without those of which there is nothing; in the order of their names."""
    is_carried: bool = False
    """The venue was silent: this is what it told last, with the prices of then."""


class SilentVenue(Struct, frozen=True):
    connector: str
    error: str
    since_us: int = 0
    """When its credential came into force: what was told before may be of another account."""


class ObservePortfolio(Struct, frozen=True, tag="portfolio.observe"):
    """One look at all connectors of an account: those that are in neither list are its no more."""

    account: str
    quote: str
    cause: Cause
    asked_at_us: int
    """What an older look found never overwrites a newer one."""
    held: tuple[ConnectorHeld, ...]
    silent: tuple[SilentVenue, ...] = ()


class PortfolioVenueSilent(Struct, frozen=True, tag="portfolio.venue_silent.v1"):
    """A venue did not tell what the account holds there: nothing is known, which is not 0."""

    account: str
    connector: str
    error: str
    asked_at_us: int


class PortfolioObserved(Struct, frozen=True, tag="portfolio.observed.v1"):
    """The whole account at one moment; what a connector that is not in it held counts no more."""

    account: str
    quote: str
    """The currency of all its prices. A value is units times price."""
    cause: Cause
    """It was time to, an order of ours was filled, or somebody asked for it."""
    asked_at_us: int
    held: tuple[ConnectorHeld, ...]
    """In the order of the connectors' names. A venue that was silent and never told anything
    before is not in it."""


Command = ObservePortfolio
Event = PortfolioObserved | PortfolioVenueSilent


class Portfolio(Struct, frozen=True):
    account: str = ""
    asked_at_us: int = 0
    held: tuple[ConnectorHeld, ...] = ()


def stream(account_name: str) -> str:
    return f"portfolio-{account_name}"


def guards(command: Command) -> tuple[str, ...]:
    return (account.stream(command.account),)


def decide(command: Command, state: Portfolio, of: Account) -> tuple[Event, ...]:
    """The venues that were silent, and then the snapshot, unless there is nothing it could say."""
    if not of.is_open:
        raise Refused("unknown_account", f"Account {command.account!r} does not exist.")
    if 0 <= state.asked_at_us - command.asked_at_us < ANSWER_US:
        return ()
    silences = tuple(
        PortfolioVenueSilent(command.account, its.connector, its.error, command.asked_at_us)
        for its in command.silent
    )
    held = (*command.held, *_carried(command.silent, state.held))
    if not held and (silences or not state.held):
        return silences  # Nothing is known, which is not nothing held.
    return (
        *silences,
        PortfolioObserved(
            command.account,
            command.quote,
            command.cause,
            command.asked_at_us,
            tuple(sorted(held, key=lambda its: its.connector)),
        ),
    )


def _carried(
    silent: tuple[SilentVenue, ...], former: tuple[ConnectorHeld, ...]
) -> tuple[ConnectorHeld, ...]:
    since_us = {its.connector: its.since_us for its in silent}
    return tuple(
        structs.replace(its, is_carried=True)
        for its in former
        if its.connector in since_us and its.observed_at_us >= since_us[its.connector]
    )


def evolve(state: Portfolio, event: Event) -> Portfolio:
    match event:
        case PortfolioObserved():
            return Portfolio(event.account, event.asked_at_us, event.held)
        case PortfolioVenueSilent():
            return structs.replace(state, account=event.account)
        case _:
            assert_never(event)


def routing(state: Portfolio) -> Routing:
    return Routing(state.account)
