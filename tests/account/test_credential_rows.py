"""Read models of accounts and credentials: rows from histories, and the same from a replay."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from commands.catalogue import AGGREGATES
from domain.account import AccountDeleted, AccountOpened, ConnectorAdded
from domain.credential import (
    CredentialAccepted,
    CredentialDeleted,
    CredentialOffered,
    CredentialRefused,
)
from domain.events import Event
from domain.log import Metadata
from projections import accounts, credentials, open_effects
from projections.accounts import AccountRow
from projections.credentials import CredentialRow
from projections.effect import EffectRow
from projections.projection import Fact, Projection

YES = True
MAIN = ("main", "binance")


def row_of(projection: Projection, stream: str, history: Sequence[Event]) -> object:
    row: object = None
    for number, event in enumerate(history, 1):
        meta = Metadata(
            command_id="c", correlation_id="x", actor="a", recorded_at_us=1_000_000 * number
        )
        fact = Fact(number, stream, number, event, meta)
        (key,) = projection.keys(fact)
        row = projection.evolve(row, fact, key)
    return row


def credential_row(*history: Event) -> CredentialRow:
    row = row_of(credentials.PROJECTION, "credential-main/binance", history)
    assert isinstance(row, CredentialRow)
    return row


def effect(*history: Event) -> EffectRow | None:
    row = row_of(open_effects.PROJECTION, "credential-main/binance", history)
    assert row is None or isinstance(row, EffectRow)
    return row


def offered(secret: str, generation: int = 1) -> CredentialOffered:
    return CredentialOffered(*MAIN, secret, f"print-{secret}", generation)


def test_an_account_is_open_until_it_is_deleted_and_begins_anew() -> None:
    history: list[Event] = [AccountOpened("main"), ConnectorAdded("main", "paper")]
    row = row_of(accounts.PROJECTION, "account-main", history)
    assert row == AccountRow(
        key="main", generation=1, connectors=("paper",), opened_at_us=1_000_000, position=2
    )
    history += [AccountDeleted("main", 1)]
    gone = row_of(accounts.PROJECTION, "account-main", history)
    assert isinstance(gone, AccountRow)
    assert (gone.is_open, gone.connectors, gone.deleted_at_us) == (False, (), 3_000_000)
    history += [AccountOpened("main")]
    again = row_of(accounts.PROJECTION, "account-main", history)
    assert again == AccountRow(key="main", generation=2, opened_at_us=4_000_000, position=4)


def test_an_offer_waits_beside_the_credential_in_force() -> None:
    row = credential_row(offered("a"), CredentialAccepted("a", YES, None), offered("b"))
    assert row == CredentialRow(
        key="main/binance",
        account="main",
        connector="binance",
        generation=1,
        is_active=True,
        secret_id="a",
        fingerprint="print-a",
        can_trade=True,
        accepted_at_us=2_000_000,
        offered_secret_id="b",
        offered_fingerprint="print-b",
        offered_at_us=3_000_000,
        position=3,
    )


def test_a_refusal_is_kept_until_another_is_accepted() -> None:
    refused = credential_row(offered("a"), CredentialRefused("a", "-2015", "no"))
    assert (refused.is_active, refused.refused_code, refused.refused_text) == (False, "-2015", "no")
    assert refused.offered_secret_id is None
    taken = credential_row(
        offered("a"),
        CredentialRefused("a", "-2015", "no"),
        offered("b"),
        CredentialAccepted("b", YES, None),
    )
    assert (taken.secret_id, taken.fingerprint, taken.refused_code) == ("b", "print-b", None)


def test_nothing_of_an_earlier_opening_is_in_a_row() -> None:
    row = credential_row(offered("a"), CredentialAccepted("a", YES, None), offered("b", 2))
    assert (row.is_active, row.secret_id, row.generation) == (False, "", 2)


def test_an_offer_is_owed_a_check_until_it_is_settled() -> None:
    owed = effect(offered("a"))
    assert owed is not None
    assert (owed.kind, owed.account, owed.connector, owed.detail) == (
        "check_credential",
        *MAIN,
        '{"secret_id":"a"}',
    )
    later = effect(offered("a"), offered("b"))
    assert later is not None
    assert later.detail == '{"secret_id":"b"}'
    for event in (
        CredentialAccepted("a", YES, None),
        CredentialRefused("a", "x", "no"),
        CredentialDeleted(*MAIN, 1),
    ):
        assert effect(offered("a"), event) is None


EVENTS: st.SearchStrategy[Event] = st.one_of(
    st.builds(offered, st.sampled_from(["a", "b"]), st.integers(1, 2)),
    st.builds(CredentialAccepted, st.sampled_from(["a", "b"]), st.just(YES), st.none()),
    st.builds(CredentialRefused, st.sampled_from(["a", "b"]), st.just("x"), st.just("no")),
    st.builds(CredentialDeleted, st.just("main"), st.just("binance"), st.integers(1, 2)),
)


@given(st.lists(EVENTS, max_size=12))
def test_rows_say_what_the_aggregate_says(history: list[Event]) -> None:
    complete = [offered("a"), *history]
    state = AGGREGATES["credential"].initial
    for event in complete:
        state = AGGREGATES["credential"].evolve(state, event)
    row = credential_row(*complete)
    assert (row.is_active, row.secret_id, row.offered_secret_id, row.generation) == (
        state.is_active,
        state.secret_id,
        state.offered,
        state.generation,
    )
