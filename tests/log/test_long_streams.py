"""Streams that grow for as long as there is trading: how little of them is read under the lock."""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from decimal import Decimal

import pytest

from commands import current
from commands.catalogue import aggregate_of
from commands.codec import decode_recorded
from commands.committer import Committer
from commands.request import Request
from commands.store import Append
from domain import portfolio
from domain.log import NOTHING, Found, Recorded, Wanted
from domain.portfolio import (
    ConnectorHeld,
    ObservePortfolio,
    PortfolioObserved,
    SilentVenue,
    TokenHeld,
)
from domain.position import ObservePosition, stream
from tests.folds import run
from tests.stores import Opened, WatchedAppend, WatchedStore, check_log, opening, request_for

STREAM = stream("main", "binance_perpetual", "BTC-USDT")
HISTORY = 7


def observing(quantity: int, asked_at_us: int | None = None) -> Request:
    seen = ObservePosition(
        "main",
        "binance_perpetual",
        "BTC-USDT",
        "LONG",
        Decimal(quantity),
        None,
        None,
        None,
        quantity if asked_at_us is None else asked_at_us,
    )
    return request_for(STREAM, seen, f"{quantity} at {seen.asked_at_us}")


class Counted(WatchedStore):
    """It tells how many events were read under the lock; `before_lock` runs once, before it."""

    def __init__(self, opened: Opened) -> None:
        super().__init__(opened.store)
        self.under_lock = 0
        self.before_lock: list[Request] = []
        self._opened = opened

    @contextmanager
    def append(self) -> Iterator[Append]:
        if self.before_lock:
            run(self._opened.again(), [self.before_lock.pop()])
        with super().append() as append:
            assert isinstance(append, WatchedAppend)
            lock = append.lock

            def counting(wanted: Wanted = NOTHING) -> Found:
                found = lock(wanted)
                self.under_lock += len(found.events)
                return found

            append.lock = counting
            yield append


@pytest.fixture
def long(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> Counted:
    monkeypatch.setattr(current, "WARM_EVENTS", 3)
    run(opened.store, [*opening(), *(observing(number) for number in range(1, HISTORY + 1))])
    return Counted(opened)


def test_what_a_process_does_not_know_is_folded_before_the_lock(long: Counted) -> None:
    with closing(Committer(long)) as committer:
        assert committer.execute(observing(HISTORY, 99)).events == ()
        assert len(committer.execute(observing(HISTORY + 1)).events) == 1
    assert long.under_lock == 0
    check_log(long)


def test_what_another_process_writes_meanwhile_is_seen(long: Counted) -> None:
    long.before_lock.append(observing(HISTORY + 1))
    with closing(Committer(long)) as committer:
        assert committer.execute(observing(HISTORY + 1, 99)).events == ()
    assert long.under_lock == 1
    check_log(long)


def test_of_portfolios_the_last_whole_event_is_enough(opened: Opened) -> None:
    name = portfolio.stream("main")

    one = Decimal(1)

    def looking(number: int, *silent: SilentVenue) -> Request:
        held = ConnectorHeld("paper", number, (TokenHeld("EUR", one, one, one),))
        found = () if silent else (held,)
        seen = ObservePortfolio("main", "USDT", "interval", number, found, silent)
        return request_for(name, seen, f"look {number}")

    run(opened.store, [*opening(), *(looking(number) for number in range(1, HISTORY + 1))])
    read: list[tuple[int, int]] = []

    class Reading(Counted):
        def read_stream(
            self, stream: str, after: int = 0, limit: int | None = None
        ) -> Sequence[Recorded]:
            found = super().read_stream(stream, after, limit)
            read.append((after, len(found)))
            return found

    store = Reading(opened)
    with closing(Committer(store)) as committer:
        silent = SilentVenue("paper", "it says nothing")
        events = committer.execute(looking(HISTORY + 1, silent)).events
    assert read == [(HISTORY - 1, 1)]
    assert store.under_lock == len(opened.store.read_stream("account-main"))
    carried = decode_recorded(opened.store.read_stream(name)[-1])
    assert isinstance(carried, PortfolioObserved)
    assert [(its.observed_at_us, its.is_carried) for its in carried.held] == [(HISTORY, True)]
    check_log(store)
    assert len(events) == 2
    seen = opened.store.read_stream(name)[0]
    assert seen.tag in aggregate_of(name).whole
    once, again = portfolio.Portfolio(), portfolio.Portfolio("another", 9, carried.held)
    observed = decode_recorded(seen)
    assert isinstance(observed, PortfolioObserved)
    assert portfolio.evolve(once, observed) == portfolio.evolve(again, observed)
