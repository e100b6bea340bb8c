"""Rows as of a position are what the log up to there folds to, and what a rebuild makes of them."""

import asyncio

import pytest

from api.as_of import Moment
from api.past import past_of
from api.reading import Ask, Row, in_snapshot
from api.serve import reader_pool
from projections import PROJECTIONS
from tests.api.live import Live
from tests.as_of.history import History
from tests.folds import texts, texts_of_pure_fold
from workers.projecting.rebuild import rebuild

pytestmark = pytest.mark.postgres
STEPS = 120
EVERY = 9
TABLES = (
    *("orders", "trades", "funding", "accounts", "credentials", "switches", "limits"),
    *("positions", "portfolios", "portfolio_snapshots", "pnl"),
)
ROW_TYPES = {its.name: its.row_type for its in PROJECTIONS if its.name in TABLES}


def as_of(live: Live, position: int) -> dict[str, str]:
    """The rows of every table then, as Postgres prints them."""
    return asyncio.run(_as_of(live.database.app_dsn, position))


async def _as_of(dsn: str, position: int) -> dict[str, str]:
    async def work(ask: Ask) -> dict[str, str]:
        return {table: await _text(ask, table, position) for table in TABLES}

    pool = reader_pool(dsn)
    await pool.open()
    try:
        return await in_snapshot(pool, work)
    finally:
        await pool.close()


async def _text(ask: Ask, table: str, position: int) -> str:
    values = {"newest_us": 2**62}
    past = await past_of(ask, Moment(position, 0), (table,), (), values)
    columns = ", ".join(ROW_TYPES[table].__struct_fields__)
    query = (
        f"select json_agg(row_to_json(t) order by key)::text from (select {columns} from {table}) t"
    )
    found: list[Row] = await ask(past.query(query), {**values, **past.values})
    return found[0][0] or "[]"


@pytest.mark.parametrize("seed", range(3))
def test_rows_as_of_a_position_are_those_that_the_log_folds_to(live: Live, seed: int) -> None:
    history = History(live, seed)
    for _ in range(STEPS):
        history.step()
    head = live.project()
    log = live.deps.store.read_log(0, head)
    for position in range(0, head + 1, EVERY):
        folded = texts_of_pure_fold(live.database, log[:position])
        found = as_of(live, position)
        for table in TABLES:
            assert found[table] == folded[table], (table, position)
    stored = texts(live.database)
    assert as_of(live, head) == {table: stored[table] for table in TABLES}


def test_after_a_rebuild_the_past_is_the_same(live: Live) -> None:
    history = History(live, 7)
    for _ in range(STEPS):
        history.step()
    head = live.project()
    before = as_of(live, head // 2)
    for projection in PROJECTIONS:
        rebuild(live.database.owner_dsn, live.database.app_dsn, projection)
    assert as_of(live, head // 2) == before
