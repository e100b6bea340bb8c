"""Decisions of one account's comparisons with a venue."""

from domain.reconciliation import (
    DAY_US,
    Reconciled,
    ReconciliationRequested,
    RecordReconciliation,
    RequestReconciliation,
    stream,
)
from tests.given import given

REQUESTED = ReconciliationRequested("main", "paper", 60)
DONE = Reconciled("main", "paper", 3, 2)
ASK = RequestReconciliation("main", "paper", 60)
RECORD = RecordReconciliation("main", "paper", 3, 2, asked_at=3)


def test_a_reconciliation_is_requested() -> None:
    given().when(ASK).then(REQUESTED)


def test_a_wanted_reconciliation_is_not_wanted_twice() -> None:
    given(REQUESTED).when(ASK).then_nothing()


def test_after_a_reconciliation_the_next_one_may_be_requested() -> None:
    given(REQUESTED, DONE).when(ASK).then(REQUESTED)


def test_a_wanted_reconciliation_is_recorded() -> None:
    given(REQUESTED).when(RECORD).then(DONE)


def test_a_reconciliation_that_nobody_wants_is_not_recorded() -> None:
    given().when(RECORD).then_nothing()


def test_a_reconciliation_counts_once() -> None:
    given(REQUESTED, DONE).when(RECORD).then_nothing()


def test_each_day_has_a_stream_of_its_own_so_that_none_grows_without_end() -> None:
    today, tomorrow = stream("main", "paper", 5), stream("main", "paper", DAY_US + 5)
    assert (today, tomorrow) == ("reconciliation-main/paper/0", "reconciliation-main/paper/1")
