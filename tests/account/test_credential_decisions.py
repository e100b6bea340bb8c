"""What a credential may become, and which of them is in force."""

from hypothesis import given as having
from hypothesis import strategies as st

from commands.catalogue import AGGREGATES
from domain import credential
from domain.account import Account, AccountDeleted, AccountOpened, ConnectorAdded
from domain.credential import (
    Command,
    Credential,
    CredentialAccepted,
    CredentialDeleted,
    CredentialOffered,
    CredentialRefused,
    DeleteCredential,
    OfferCredential,
    RecordCredentialAccepted,
    RecordCredentialRefused,
    decide,
    evolve,
    may_trade,
)
from domain.events import Event
from domain.refusal import Refused
from tests.given import fold, given

YES = True
MAIN = ("main", "binance")
OPEN = (AccountOpened("main"),)
GONE = (*OPEN, AccountDeleted("main", 1))
REOPENED = (*GONE, AccountOpened("main"))


def offered(secret: str, generation: int = 1) -> CredentialOffered:
    return CredentialOffered(*MAIN, secret, f"print {secret}", generation)


def accepted(secret: str) -> CredentialAccepted:
    return CredentialAccepted(secret, YES, None)


def offer(secret: str) -> OfferCredential:
    return OfferCredential(*MAIN, secret, f"print {secret}")


def accept(secret: str) -> RecordCredentialAccepted:
    return RecordCredentialAccepted(*MAIN, secret, YES, None)


def refuse(secret: str) -> RecordCredentialRefused:
    return RecordCredentialRefused(*MAIN, secret, "-2015", "no")


IN_FORCE = (offered("a"), accepted("a"))


def test_a_credential_is_offered_to_an_open_account() -> None:
    given().guarded_by(*OPEN).when(offer("a")).then(offered("a"))
    given().guarded_by(*REOPENED).when(offer("a")).then(offered("a", 2))


def test_without_an_account_nothing_is_offered() -> None:
    given().guarded_by().when(offer("a")).refused("unknown_account")
    given().guarded_by(*GONE).when(offer("a")).refused("unknown_account")


def test_what_needs_no_secret_is_accepted_as_it_is_offered() -> None:
    given().guarded_by(*OPEN).when(OfferCredential("main", "paper")).then(
        CredentialOffered("main", "paper", "", "", 1), CredentialAccepted("", None, None)
    )


def test_the_venues_answer_is_recorded_once() -> None:
    waiting = given(offered("a")).guarded_by(*OPEN)
    waiting.when(accept("a")).then(accepted("a"))
    waiting.when(refuse("a")).then(CredentialRefused("a", "-2015", "no"))
    answered = given(*IN_FORCE).guarded_by(*OPEN)
    answered.when(accept("a")).then_nothing()
    answered.when(refuse("a")).then_nothing()


def test_an_answer_about_another_credential_than_the_last_says_nothing() -> None:
    given(offered("a"), offered("b")).guarded_by(*OPEN).when(accept("a")).then_nothing()
    given(offered("a"), offered("b")).guarded_by(*OPEN).when(refuse("a")).then_nothing()
    given().guarded_by(*OPEN).when(accept("a")).then_nothing()


def test_a_credential_accepted_for_an_account_that_is_gone_is_deleted() -> None:
    given(offered("a")).guarded_by(*GONE).when(accept("a")).then(CredentialDeleted(*MAIN, 1))
    given(offered("a")).guarded_by(*REOPENED).when(accept("a")).then(CredentialDeleted(*MAIN, 1))


def test_a_credential_is_deleted_once_and_whether_it_was_checked_or_not() -> None:
    for history in (IN_FORCE, (offered("a"),), (*IN_FORCE, offered("b"))):
        given(*history).guarded_by(*OPEN).when(DeleteCredential(*MAIN)).then(
            CredentialDeleted(*MAIN, 1)
        )
    gone = (*IN_FORCE, CredentialDeleted(*MAIN, 1))
    given(*gone).guarded_by(*OPEN).when(DeleteCredential(*MAIN)).then_nothing()
    given().guarded_by(*OPEN).when(DeleteCredential(*MAIN)).then_nothing()
    given().guarded_by().when(DeleteCredential(*MAIN)).then_nothing()


def test_a_connector_that_came_with_the_account_can_be_deleted_too() -> None:
    own = (*OPEN, ConnectorAdded(*MAIN))
    deleted = CredentialDeleted(*MAIN, 1)
    given().guarded_by(*own).when(DeleteCredential(*MAIN)).then(deleted)
    given(deleted).guarded_by(*own).when(DeleteCredential(*MAIN)).then_nothing()


def test_a_sweep_deletes_only_what_it_saw() -> None:
    """Between its look and its command the account may have got a new credential."""
    sweeping = DeleteCredential(*MAIN, generation=1)
    given(*IN_FORCE).guarded_by(*GONE).when(sweeping).then(CredentialDeleted(*MAIN, 1))
    new = (*IN_FORCE, offered("b", 2))
    given(*new).guarded_by(*REOPENED).when(sweeping).then_nothing()


def states(*history: Event) -> Credential:
    found: Credential = fold("credential", history)
    return found


def account(*history: Event) -> Account:
    found: Account = fold("account", history)
    return found


def test_only_what_was_accepted_is_in_force_and_it_stays_so_until_another_is() -> None:
    for history, expected in (
        ((offered("a"),), ""),
        (IN_FORCE, "a"),
        ((*IN_FORCE, offered("b")), "a"),
        ((*IN_FORCE, offered("b"), CredentialRefused("b", "x", "no")), "a"),
        ((*IN_FORCE, offered("b"), accepted("b")), "b"),
        ((*IN_FORCE, CredentialDeleted(*MAIN, 1)), ""),
        ((*IN_FORCE, CredentialDeleted(*MAIN, 1), offered("b")), ""),
    ):
        found = states(*history)
        assert found.secret_id == expected
        assert found.is_active == bool(expected)
        assert may_trade(account(*OPEN), "binance", found) == bool(expected)


def test_a_deleted_account_trades_nowhere_and_opened_anew_it_begins_with_nothing() -> None:
    own = (*OPEN, ConnectorAdded(*MAIN))
    for history in ((), IN_FORCE):
        assert may_trade(account(*own), "binance", states(*history))
        assert not may_trade(account(*own, AccountDeleted("main", 1)), "binance", states(*history))
        again = (*own, AccountDeleted("main", 1), AccountOpened("main"))
        assert not may_trade(account(*again), "binance", states(*history))
        later = states(*history, offered("b", 2), accepted("b"))
        assert may_trade(account(*again), "binance", later)


def test_an_own_connector_trades_until_it_is_deleted_and_again_when_it_is_added() -> None:
    own = account(*OPEN, ConnectorAdded(*MAIN))
    assert may_trade(own, "binance", states())
    assert may_trade(own, "binance", states(offered("a"), CredentialRefused("a", "x", "no")))
    deleted = CredentialDeleted(*MAIN, 1)
    assert not may_trade(own, "binance", states(deleted))
    assert not may_trade(own, "binance", states(deleted, offered("a")))
    assert may_trade(own, "binance", states(deleted, offered("a"), accepted("a")))


SECRETS = st.sampled_from(["a", "b", "c"])
COMMANDS: st.SearchStrategy[Command] = st.one_of(
    st.builds(offer, SECRETS),
    st.builds(accept, SECRETS),
    st.builds(refuse, SECRETS),
    st.builds(DeleteCredential, st.just("main"), st.just("binance"), st.none() | st.integers(1, 3)),
    st.builds(OfferCredential, st.just("main"), st.just("binance")),
)


@having(st.lists(COMMANDS | st.sampled_from(["open", "delete"]), max_size=25))
def test_in_any_history_a_secret_in_force_was_accepted_for_this_account(
    steps: list[Command | str],
) -> None:
    owner, state = Account(), Credential()
    taken: set[tuple[int, str]] = set()
    for step in steps:
        if step == "open" and not owner.is_open:
            owner = AGGREGATES["account"].evolve(owner, AccountOpened("main"))
        elif step == "delete" and owner.is_open:
            owner = AGGREGATES["account"].evolve(owner, AccountDeleted("main", owner.generation))
        elif not isinstance(step, str):
            try:
                events = decide(step, state, owner)
            except Refused as refused:
                assert refused.code == "unknown_account"  # noqa: PT017 - the only one there is
                assert not owner.is_open
                continue
            for event in events:
                state = evolve(state, event)
                if isinstance(event, CredentialAccepted):
                    taken.add((state.generation, event.secret_id))
                    assert owner.is_open
                    assert state.generation == owner.generation
            # The same again changes nothing but for a new offer.
            if not isinstance(step, OfferCredential):
                assert decide(step, state, owner) == ()
        if may_trade(owner, "binance", state):
            assert owner.is_open
            assert (owner.generation, state.secret_id) in taken
        assert credential.routing(state).account in (None, "main")
