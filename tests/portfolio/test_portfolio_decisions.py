from decimal import Decimal

from hypothesis import given as forall
from hypothesis import strategies as st
from msgspec import structs

from commands.catalogue import AGGREGATES
from domain.account import AccountDeleted
from domain.portfolio import (
    ANSWER_US,
    Command,
    ConnectorHeld,
    ObservePortfolio,
    PortfolioObserved,
    PortfolioVenueSilent,
    SilentVenue,
    TokenHeld,
    stream,
)
from tests.given import Given, fold, given
from tests.messages import ACCOUNT

AT = 1_700_000_000_000_000
BITCOIN = TokenHeld("BTC", Decimal("0.50"), Decimal("0.25"), Decimal("50000.10"))
ETHER = TokenHeld("ETH", Decimal(2), Decimal(2), None)
ERROR = "no answer within 5 s"


def at(connector: str, *tokens: TokenHeld, us: int = AT) -> ConnectorHeld:
    return ConnectorHeld(connector, us, tokens)


def carried(its: ConnectorHeld) -> ConnectorHeld:
    return structs.replace(its, is_carried=True)


def look(*held: ConnectorHeld, us: int = AT, silent: tuple[SilentVenue, ...] = ()) -> Command:
    return ObservePortfolio("main", "USDT", "interval", us, held, silent)


def observed(*held: ConnectorHeld, us: int = AT) -> PortfolioObserved:
    return PortfolioObserved("main", "USDT", "interval", us, held)


def silence(connector: str, us: int = AT) -> PortfolioVenueSilent:
    return PortfolioVenueSilent("main", connector, ERROR, us)


def open_(*history: PortfolioObserved | PortfolioVenueSilent) -> Given:
    return given(*history).guarded_by(*ACCOUNT)


def test_what_the_venues_tell_is_a_snapshot() -> None:
    open_().when(look(at("paper", BITCOIN, ETHER))).then(observed(at("paper", BITCOIN, ETHER)))


def test_a_snapshot_is_taken_although_nothing_has_changed() -> None:
    later = at("paper", BITCOIN, us=AT + 1)
    open_(observed(at("paper", BITCOIN))).when(look(later, us=AT + 1)).then(
        observed(later, us=AT + 1)
    )


def test_connectors_stand_in_the_order_of_their_names() -> None:
    binance, paper = at("binance", ETHER), at("paper", BITCOIN)
    open_().when(look(paper, binance)).then(observed(binance, paper))


def test_a_venue_that_has_nothing_for_the_account_is_in_the_snapshot() -> None:
    open_().when(look(at("paper"))).then(observed(at("paper")))


def test_a_silent_venue_is_carried_over_and_marked() -> None:
    binance, paper = at("binance", ETHER), at("paper", BITCOIN)
    newer = at("paper", BITCOIN, us=AT + 5)
    command = look(newer, us=AT + 5, silent=(SilentVenue("binance", ERROR),))
    open_(observed(binance, paper)).when(command).then(
        silence("binance", AT + 5), observed(carried(binance), newer, us=AT + 5)
    )


def test_a_venue_that_is_silent_for_long_is_carried_from_snapshot_to_snapshot() -> None:
    paper = at("paper", BITCOIN)
    silent = (SilentVenue("paper", ERROR),)
    once = open_(observed(paper)).when(look(us=AT + 5, silent=silent)).events
    open_(observed(paper), *once).when(look(us=AT + 9, silent=silent)).then(  # type: ignore[arg-type]
        silence("paper", AT + 9), observed(carried(paper), us=AT + 9)
    )


def test_a_venue_that_is_back_is_carried_no_more() -> None:
    back = at("paper", ETHER, us=AT + 9)
    open_(observed(carried(at("paper", BITCOIN)))).when(look(back, us=AT + 9)).then(
        observed(back, us=AT + 9)
    )


def test_of_a_venue_that_never_told_anything_only_its_silence_is_recorded() -> None:
    command = look(silent=(SilentVenue("paper", ERROR),))
    open_().when(command).then(silence("paper"))
    open_(silence("paper")).when(look(us=AT + 1, silent=(SilentVenue("paper", ERROR),))).then(
        silence("paper", AT + 1)
    )


def test_what_another_credential_told_is_not_carried_over() -> None:
    binance = at("binance", ETHER, us=AT + 9)
    both = observed(at("binance", ETHER), at("paper", BITCOIN))
    command = look(binance, us=AT + 9, silent=(SilentVenue("paper", ERROR, AT + 1),))
    open_(both).when(command).then(silence("paper", AT + 9), observed(binance, us=AT + 9))


def test_where_nothing_at_all_is_known_there_is_no_snapshot_of_nothing() -> None:
    command = look(us=AT + 9, silent=(SilentVenue("paper", ERROR, AT + 1),))
    open_(observed(at("paper", BITCOIN))).when(command).then(silence("paper", AT + 9))


def test_a_connector_that_is_the_accounts_no_more_is_gone() -> None:
    former = observed(at("binance", ETHER), at("paper", BITCOIN))
    paper = at("paper", BITCOIN, us=AT + 9)
    open_(former).when(look(paper, us=AT + 9)).then(observed(paper, us=AT + 9))
    open_(former).when(look(us=AT + 9)).then(observed(us=AT + 9))


def test_an_older_look_changes_nothing() -> None:
    open_(observed(at("paper", BITCOIN))).when(look(at("paper"))).then_nothing()
    open_(observed(at("paper", BITCOIN))).when(look(at("paper"), us=AT - 1)).then_nothing()
    last = AT - ANSWER_US + 1
    open_(observed(at("paper", BITCOIN))).when(look(at("paper"), us=last)).then_nothing()


def test_after_a_clock_was_set_back_looks_count_again() -> None:
    back = AT - ANSWER_US
    open_(observed(at("paper", BITCOIN))).when(look(at("paper"), us=back)).then(
        observed(at("paper"), us=back)
    )


def test_an_account_that_does_not_exist_holds_nothing() -> None:
    given().when(look(at("paper", BITCOIN))).refused("unknown_account")
    gone = given(observed(at("paper", BITCOIN))).guarded_by(*ACCOUNT, AccountDeleted("main", 1))
    gone.when(look(at("paper", BITCOIN), us=AT + 1)).refused("unknown_account")


def test_routing_names_the_account() -> None:
    routing = AGGREGATES["portfolio"].routing
    assert routing(fold("portfolio", [observed(at("paper"))])).account == "main"
    assert routing(fold("portfolio", [silence("paper")])).account == "main"
    assert stream("main") == "portfolio-main"


names = st.sampled_from(["binance", "paper", "kraken"])
tokens = st.sampled_from([(), (BITCOIN,), (BITCOIN, ETHER)])


@st.composite
def looks(draw: st.DrawFn) -> ObservePortfolio:
    us = AT + draw(st.integers(0, 20))
    told = draw(st.dictionaries(names, tokens, max_size=3))
    silent = draw(st.sets(names, max_size=3)) - told.keys()
    held = tuple(at(name, *its, us=us) for name, its in told.items())
    return look(*held, us=us, silent=tuple(SilentVenue(name, ERROR) for name in sorted(silent)))


@forall(st.lists(looks(), max_size=12))
def test_a_snapshot_is_what_each_venue_told_last(commands: list[ObservePortfolio]) -> None:
    history: list[PortfolioObserved | PortfolioVenueSilent] = []
    told: dict[str, ConnectorHeld] = {}
    newest = 0
    for command in commands:
        events = open_(*history).when(command).events
        if command.asked_at_us <= newest:
            assert events == ()
            continue
        silent = {its.connector for its in command.silent}
        now = {its.connector: its for its in command.held}
        told = now | {name: its for name, its in told.items() if name in silent}
        snapshots = [event for event in events if isinstance(event, PortfolioObserved)]
        assert [its.connector for its in events if isinstance(its, PortfolioVenueSilent)] == sorted(
            silent
        )
        for snapshot in snapshots:
            newest = command.asked_at_us
            assert events[-1] == snapshot
            assert {its.connector for its in snapshot.held if its.is_carried} == (
                told.keys() & silent
            )
            assert {
                its.connector: structs.replace(its, is_carried=False) for its in snapshot.held
            } == told
        assert snapshots or not told
        history += events  # type: ignore[arg-type]
