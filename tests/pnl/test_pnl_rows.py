"""The read model on a real log: equal to brute force, whatever the pages, and so when rebuilt."""

from contextlib import closing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain import pnl as rules
from projections import pnl
from tests.folds import copy_log, texts, written
from tests.pnl.logs import Trade, check, counted, requests_of, rows, some, trades
from tests.postgres_fixture import Database
from tests.stores import empty
from workers.projecting.projector import Projector, catch_up
from workers.projecting.rebuild import rebuild

pytestmark = pytest.mark.postgres


@settings(max_examples=25)
@given(
    st.lists(trades, max_size=40), st.lists(st.integers(1, 9), min_size=1, max_size=6), st.data()
)
def test_rows_equal_brute_force_over_the_log_whatever_the_pages(
    shared: Database, history: list[Trade], sizes: list[int], data: st.DataObject
) -> None:
    empty(shared)
    log = written(requests_of(history))
    copy_log(shared, log)
    turn = 0
    stops_at = data.draw(st.integers(0, len(log)))
    while True:
        size = sizes[turn % len(sizes)]
        with closing(Projector(shared.app_dsn, (pnl.PROJECTION,), page_events=size)) as folding:
            progress = folding.step()
        if not progress.events:
            break
        if progress.position >= stops_at:
            stops_at = len(log) + 1
            seen = rows(shared)
            right = counted(log[: progress.position])
            assert seen.keys() == right.keys()
            for key, row in seen.items():
                check(row, right[key])
        turn += 1
    seen, right = rows(shared), counted(log)
    assert seen.keys() == right.keys()
    for key, row in seen.items():
        check(row, right[key])
    live = texts(shared, (pnl.PROJECTION,))
    assert rebuild(shared.owner_dsn, shared.app_dsn, pnl.PROJECTION) == len(log)
    assert texts(shared, (pnl.PROJECTION,)) == live


def test_too_many_lots_are_said_in_the_row(
    shared: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "LOTS_MAX", 2)
    empty(shared)
    history = some(("1", "100"), ("1", "101"), ("1", "102"))
    log = written(requests_of(history))
    copy_log(shared, log)
    catch_up(shared.app_dsn)
    (row,) = rows(shared).values()
    assert (row["fifo_cost"], row["fifo_realised"], row["lots"]) == (None, None, [])
    assert (row["quantity"], row["cost"]) == (3, 303)
