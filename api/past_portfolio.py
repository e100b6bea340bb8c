"""What accounts held by a position: their last snapshots, and those of the minute they are of.

A row of `portfolio_snapshots` is of a minute, and the last snapshot of that minute is in it: so the
one minute that a position lies in is folded anew. Snapshots are taken to be asked for in the order
of the log, as they are unless a clock was set back by more than ten minutes.
"""

import asyncio
from collections.abc import Mapping, Sequence

from api.as_of import Moment
from api.past_rows import facts_in, fold, listed, rows_of
from api.reading import Ask, Row
from domain.account import AccountDeleted
from domain.portfolio import PortfolioObserved, PortfolioVenueSilent
from projections import portfolio_snapshots, portfolios, queries

_SQL = queries.load("portfolio_as_of")
BESIDE_MAX = 200
"""Silences of one snapshot, and snapshots in one minute, that are looked for."""
_TAGS: Mapping[str, object] = {
    "observed": PortfolioObserved.__struct_config__.tag,
    "silent": PortfolioVenueSilent.__struct_config__.tag,
    "deleted": AccountDeleted.__struct_config__.tag,
    "beside": BESIDE_MAX,
}


async def portfolio_rows(
    ask: Ask, moment: Moment, conditions: Sequence[str], values: Mapping[str, object]
) -> tuple[str, dict[str, object]]:
    """What stands for `portfolios`. `conditions` are of the `key` of `accounts`."""
    found = await _last(ask, moment, conditions, values)
    rows = await asyncio.to_thread(rows_of, portfolios.PROJECTION, found)
    return _SQL["portfolios"], {"folded_portfolios": rows}


async def snapshot_rows(
    ask: Ask, moment: Moment, conditions: Sequence[str], values: Mapping[str, object]
) -> tuple[str, dict[str, object]]:
    """What stands for `portfolio_snapshots`, and the newest minute of it, or of what is wanted.

    `conditions` are of the `key` of `accounts`; without that bound a query that walks backwards
    would pass over all that came later.
    """
    last: dict[str, tuple[int, int]] = {}
    for _, fact in facts_in(await _last(ask, moment, conditions, values)):
        if isinstance(fact.event, PortfolioObserved):
            last[fact.stream] = fact.version, portfolio_snapshots.minute_of(fact.event)
    given = {
        **_TAGS,
        "streams": list(last),
        "versions": [version for version, _ in last.values()],
        "minutes_us": [minute_us for _, minute_us in last.values()],
    }
    found = await ask(_SQL["minutes"], given)
    folded = await asyncio.to_thread(fold, portfolio_snapshots.PROJECTION, found)
    changed = await ask(_SQL["changed"], {"keys": list(folded), "as_of": moment.position})
    rows = listed(folded[key] for (key,) in changed)
    newest_us = max((minute_us for _, minute_us in last.values()), default=0)
    wanted_us = values["newest_us"]
    if isinstance(wanted_us, int):
        newest_us = min(newest_us, wanted_us)
    return _SQL["portfolio_snapshots"], {"folded_snapshots": rows, "newest_us": newest_us}


async def _last(
    ask: Ask, moment: Moment, conditions: Sequence[str], values: Mapping[str, object]
) -> list[Row]:
    query = queries.filtered(_SQL["last"], conditions)
    return await ask(query, {**values, **_TAGS, "as_of": moment.position})
