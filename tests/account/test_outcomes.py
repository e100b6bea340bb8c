"""What the log says of an offer, and which secrets it has no use for any more."""

from hypothesis import given
from hypothesis import strategies as st

from adapters.memory import MemoryStore
from api.accounts.checking import Checked, outcome_of, secrets_named
from commands.committer import Committer
from commands.folding import fold
from commands.request import from_worker
from domain import account, credential
from domain.account import OpenAccount
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
)
from domain.events import Event

YES = True
MAIN = ("main", "binance")
STREAM = credential.stream(*MAIN)


def offered(secret: str) -> CredentialOffered:
    return CredentialOffered(*MAIN, secret, "print", 1)


def found(*history: Event) -> Checked | None:
    return outcome_of(enumerate(history, 1), "a")


def test_an_offer_has_one_outcome_for_ever() -> None:
    taken, refused = CredentialAccepted("a", YES, None), CredentialRefused("a", "-1", "no")
    assert found() is None
    assert found(offered("a")) is None
    assert found(offered("b"), CredentialAccepted("b", YES, None)) is None
    assert found(offered("a"), taken) == Checked("accepted", 2)
    assert found(offered("a"), refused) == Checked("refused", 2, "-1", "no")
    assert found(offered("a"), offered("b")) == Checked("replaced", 2)
    assert found(offered("a"), CredentialDeleted(*MAIN, 1)) == Checked("deleted", 2)
    for later in (offered("b"), CredentialAccepted("b", YES, None), CredentialDeleted(*MAIN, 1)):
        assert found(offered("a"), taken, later) == Checked("accepted", 2)
        assert found(offered("a"), refused, later) == Checked("refused", 2, "-1", "no")


SECRETS = st.sampled_from(["a", "b", "c", "d"])
COMMANDS: st.SearchStrategy[Command] = st.one_of(
    st.builds(lambda secret: OfferCredential(*MAIN, secret, "print"), SECRETS),
    st.builds(lambda secret: RecordCredentialAccepted(*MAIN, secret, YES, None), SECRETS),
    st.builds(lambda secret: RecordCredentialRefused(*MAIN, secret, "-1", "no"), SECRETS),
    st.just(DeleteCredential(*MAIN)),
)


@given(st.lists(COMMANDS, max_size=15))
def test_no_secret_that_is_needed_is_ever_named_to_be_destroyed(commands: list[Command]) -> None:
    store = MemoryStore()
    committer = Committer(store)
    opening = from_worker("test", account.stream("main"), OpenAccount("main"), correlation_id="c")
    committer.execute(opening)
    used: set[str] = set()
    for number, command in enumerate(commands):
        if isinstance(command, OfferCredential):
            if command.secret_id in used:
                continue  # Each offer has a secret of its own.
            used.add(command.secret_id)
        committer.execute(from_worker(f"test {number}", STREAM, command, correlation_id="c"))
        state: Credential = fold(store, STREAM)[1]
        needed = {state.secret_id, state.offered} - {"", None}
        unneeded = set(secrets_named(store, STREAM))
        assert not unneeded & needed
        assert unneeded <= used
        if isinstance(command, DeleteCredential):
            assert unneeded == used
    committer.close()
