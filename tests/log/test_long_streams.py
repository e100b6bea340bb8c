"""Streams that grow for as long as there is trading: how little of them is read under the lock."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from decimal import Decimal

import pytest

from commands import current
from commands.committer import Committer
from commands.request import Request
from commands.store import Append
from domain.log import NOTHING, Found, Wanted
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
