"""Tallies as they were kept while writing equal those counted from the log afterwards."""

from collections.abc import Sequence
from contextlib import closing
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.memory import MemoryStore
from commands import recounting
from commands.committer import Committer
from commands.recounting import recount, recount_if_behind
from commands.request import Request
from commands.store import Store
from domain.log import StoreUnavailable
from domain.order import stream
from domain.order_messages import Command
from domain.position import ObserveNoPosition, ObservePosition
from domain.tally import AccountTally, CloseTally, decode, of_account, of_close
from tests.folds import run
from tests.messages import close_of, fill_of, order_commands
from tests.stores import Opened, check_log, opening, placing, request_for

ORDERS = ("av1", "av2", "av3")
CLOSE = of_close("main", "paper", "BTC-USDT", "SELL")
HELD = request_for(
    "position-main/paper/BTC-USDT",
    ObservePosition("main", "paper", "BTC-USDT", "LONG", Decimal(1), None, None, None, 1),
    "hold",
)
steps = st.lists(
    st.tuples(
        st.sampled_from(ORDERS),
        st.one_of(order_commands, st.sampled_from(["close", "look", "flat"])),
    ),
    max_size=40,
)


def looked(word: str, asked_at_us: int) -> Command | ObservePosition | ObserveNoPosition:
    """Return what the venue shows of the position: half of it, or none."""
    if word == "flat":
        return ObserveNoPosition("main", "paper", "BTC-USDT", "LONG", asked_at_us)
    return ObservePosition(
        "main", "paper", "BTC-USDT", "LONG", Decimal("0.5"), None, None, None, asked_at_us
    )


def requests_of(chosen: Sequence[tuple[str, Command | str]]) -> list[Request]:
    found = [*opening(), HELD]
    for number, (name, command) in enumerate(chosen):
        match command:
            case "close":
                found.append(request_for(stream(name), close_of(name), f"key {number}"))
            case str():
                seen = looked(command, 1_700_000_000_000_000 + number)
                found.append(request_for(HELD.stream, seen, f"key {number}"))
            case _:
                found.append(request_for(stream(name), command, f"key {number}"))
    return found


def kept(store: Store) -> dict[str, object]:
    return {key: decode(key, state) for key, state in store.read_tallies().items()}


@given(steps)
def test_tallies_kept_are_tallies_counted_again(chosen: list[tuple[str, Command | str]]) -> None:
    store = MemoryStore()
    run(store, requests_of(chosen))
    before = kept(store)
    assert recount(store) == store.head().position
    assert kept(store) == before


@given(steps, st.integers(1, 7))
def test_the_size_of_pages_makes_no_difference(
    chosen: list[tuple[str, Command | str]], size: int
) -> None:
    store = MemoryStore()
    run(store, requests_of(chosen))
    before = kept(store)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recounting, "PAGE_EVENTS", size)
        patch.setattr(recounting, "_STREAMS_MAX", 1)
        recount(store)
    assert kept(store) == before


def story() -> list[Request]:
    return [
        *opening(),
        HELD,
        placing("av1"),
        placing("av2"),
        request_for("order-av1", fill_of("t1", "1.0"), "fill av1"),
        request_for("order-av3", close_of("av3"), "close"),
    ]


def test_open_orders_and_closes_are_counted(opened: Opened) -> None:
    run(opened.store, story())
    account, close = (kept(opened.again())[key] for key in (of_account("main"), CLOSE))
    assert isinstance(account, AccountTally)
    assert (account.open_orders, account.placed_in_minute) == (2, 3)
    assert close == CloseTally(("order-av3",), Decimal(1), 1)


def test_a_recount_equals_what_was_kept_in_every_store(opened: Opened) -> None:
    run(opened.store, story())
    before = kept(opened.store)
    recount(opened.again())
    assert kept(opened.store) == before
    assert not recount_if_behind(opened.store)


@pytest.fixture
def behind(opened: Opened) -> Opened:
    """Return a store whose log was written without counting, as an older process does."""
    source = MemoryStore()
    run(source, story())
    with opened.store.append() as append:
        append.lock()
        append.write_events(source.read_log(0, 100), source.head())
        append.commit()
    assert opened.store.read_tallies() == {}
    return opened


def test_what_an_older_process_wrote_is_counted_before_anything_is_decided(behind: Opened) -> None:
    expected = MemoryStore()
    run(expected, [*story(), placing("av4")])
    run(behind.again(), [placing("av4")])
    assert kept(behind.store) == kept(expected)
    check_log(behind.store)


def test_a_long_log_that_is_not_counted_takes_no_append(
    behind: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recounting, "PAGE_EVENTS", 3)
    monkeypatch.setattr("commands.committer.RETRY_SECONDS", 0.0)
    with closing(Committer(behind.again())) as committer:
        with pytest.raises(StoreUnavailable, match="aviary migrate"):
            committer.execute(placing("av4"))
        assert recount_if_behind(behind.store)
        assert committer.execute(placing("av4")).receipt.outcome == "accepted"
    expected = MemoryStore()
    run(expected, [*story(), placing("av4")])
    found = kept(behind.store)
    assert found.keys() == kept(expected).keys()
    assert found[CLOSE] == kept(expected)[CLOSE]
    account = found[of_account("main")]
    assert isinstance(account, AccountTally)
    assert account.open_orders == 3


def test_a_tally_that_another_process_moved_is_read_again(opened: Opened) -> None:
    """Both decide on all that was placed, whoever placed it."""
    with closing(Committer(opened.store)) as one, closing(Committer(opened.again())) as other:
        for request in opening():
            one.execute(request)
        for number in range(6):
            (one, other)[number % 2].execute(placing(f"av{number}"))
    account = kept(opened.store)[of_account("main")]
    assert isinstance(account, AccountTally)
    assert account.open_orders == 6


def test_a_lost_transaction_counts_nothing(opened: Opened) -> None:
    run(opened.store, story())
    before, head = kept(opened.store), opened.store.head()
    with opened.store.append() as append:
        append.lock()
        append.write_tallies({of_account("main"): b'{"open_orders":99}'}, head.position)
    assert kept(opened.again()) == before


def test_a_process_that_goes_on_writing_takes_what_was_counted_anew(opened: Opened) -> None:
    run(opened.store, [*opening(), placing("av1")])
    with opened.store.append() as append:
        head = append.lock().head.position
        append.write_tallies({of_account("main"): b'{"open_orders":77}'}, head)
        append.commit()
    with closing(Committer(opened.store)) as committer:
        committer.execute(placing("av2"))
        recount(opened.again())
        committer.execute(placing("av3"))
    account = kept(opened.store)[of_account("main")]
    assert isinstance(account, AccountTally)
    assert account.open_orders == 3
