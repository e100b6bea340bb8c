"""Rows of read models as they were at a position, for the same queries that read the present.

What only grows is cut off at the position. Of the rest the rows that have not changed since are
right as they stand, and those that have are folded anew from their streams, by their projection.
Both stand before a query as `with <table> as (...)`, so the query itself is not another one. All of
it is read in one snapshot: a row that changes meanwhile is neither missed nor seen too late.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from litestar import Request
from msgspec import Struct

from api.as_of import Moment, moment_of
from api.deps import PAST_READS_MAX, Deps
from api.errors import Failure
from api.past_portfolio import portfolio_rows, snapshot_rows
from api.past_rows import rows_of
from api.reading import Ask, Row, in_snapshot, row, wait_for_position
from domain.tally import MINUTE_US
from projections import accounts, credentials, limits, orders, pnl, queries, switches
from projections.projection import Projection

_SQL = queries.load("as_of")
ROWS_MAX = 5_000
EVENTS_MAX = 20_000
TURN_SECONDS = 2.0
"""So long a read of the past waits for others to end."""
Found = TypeVar("Found")
RETRY_LATER = {"Retry-After": "2"}
_CLOCK = "clock_timestamp()"
_THEN = "(timestamptz 'epoch' + %(then_us)s * interval '1 microsecond')"


class _Folded(Struct, frozen=True):
    projection: Projection
    stream: str
    """What stands before the key of a row in the name of the stream that it comes from."""
    events: str = "events"
    """The query that finds what those rows are made of."""


_FOLDED: Mapping[str, _Folded] = {
    "orders": _Folded(orders.PROJECTION, "order-"),
    "accounts": _Folded(accounts.PROJECTION, "account-"),
    "credentials": _Folded(credentials.PROJECTION, "credential-"),
    "switches": _Folded(switches.PROJECTION, "switch-"),
    "limits": _Folded(limits.PROJECTION, "limits-"),
    "pnl": _Folded(pnl.PROJECTION, "", "fills"),
}
_APPENDED = frozenset({"trades", "funding"})
_PORTFOLIO = {"portfolios": portfolio_rows, "portfolio_snapshots": snapshot_rows}
_QUERIED = frozenset({"positions", "position_baselines", "position_looks"})


class Past(Struct, frozen=True):
    """What stands before a query so that it reads the past, and the parameters of that."""

    tables: tuple[str, ...]
    values: Mapping[str, object]

    def query(self, text: str) -> str:
        before = "with " + ",\n".join(self.tables)
        return f"{before}\nselect * from (\n{text}\n) as answered".replace(_CLOCK, _THEN)


async def row_at(
    request: Request[Any, Any, Any],
    query: str,
    values: Mapping[str, object],
    tables: Sequence[str],
    conditions: Sequence[str] = (),
) -> Row | None:
    """The query's first row, of now or as of the position that the request asks for.

    `tables` are those that the query reads, and before them what they are made of then;
    `conditions` are as for `past_of`.
    """
    deps = await wait_for_position(request)
    moment = await moment_of(request)
    return await row_then(deps, moment, query, values, tables, conditions)


async def row_then(
    deps: Deps,
    moment: Moment | None,
    query: str,
    values: Mapping[str, object],
    tables: Sequence[str],
    conditions: Sequence[str] = (),
) -> Row | None:
    """As `row_at`, for a route that has read more already."""
    if moment is None:
        return await row(deps.pool, query, values)

    async def work(ask: Ask) -> Row | None:
        past = await past_of(ask, moment, tables, conditions, values)
        found = await ask(past.query(query), {**values, **past.values})
        return found[0] if found else None

    return await read_past(deps, work)


async def read_past(deps: Deps, work: Callable[[Ask], Awaitable[Found]]) -> Found:
    """In one snapshot, and a few at a time: callers are known by connections of the same pool.

    Raises Failure 503 when none of them has ended in time.
    """
    try:
        async with asyncio.timeout(TURN_SECONDS):
            await deps.past_reads.acquire()
    except TimeoutError:
        text = (
            f"{PAST_READS_MAX} reads of the past are under way and none ended within "
            f"{TURN_SECONDS:.0f} s. Send the same request again, after the seconds in Retry-After, "
            f"and not more than {PAST_READS_MAX} with as_of at once."
        )
        raise Failure(503, text, "as_of_busy", RETRY_LATER) from None
    try:
        return await in_snapshot(deps.pool, work)
    finally:
        deps.past_reads.release()


async def past_of(
    ask: Ask,
    moment: Moment,
    tables: Iterable[str],
    conditions: Sequence[str] = (),
    values: Mapping[str, object] = {},
) -> Past:
    """`conditions` narrow the first table: those only that a row meets for ever or never."""
    found = [_SQL["read_positions"]]
    given: dict[str, object] = {"as_of": moment.position, "then_us": moment.at_us}
    for number, table in enumerate(tables):
        narrow = conditions if number == 0 else ()
        if table == "tallies":
            found.append(_SQL["tallies"])
            given["minute_begins"] = await _minute_begins(ask, moment)
            continue
        if table in _PORTFOLIO:
            text, own = await _PORTFOLIO[table](ask, moment, narrow, values)
            found.append(text)
            given |= own
            continue
        if table in _QUERIED:
            found.append(_SQL[table])
            continue
        if table in _APPENDED:
            found.append(_SQL["appended"].replace("{table}", table))
            continue
        given[f"folded_{table}"] = await _fold(ask, moment, table, narrow, values)
        text = _SQL.get(f"folded_{table}", _SQL["folded"])
        found.append(text.replace("{table}", table))
    return Past(tuple(found), given)


async def _fold(
    ask: Ask,
    moment: Moment,
    table: str,
    conditions: Sequence[str],
    values: Mapping[str, object],
) -> str:
    """The rows that have changed since, as they were then, as JSON."""
    kind = _FOLDED[table]
    query = _SQL.get(f"changed_{table}", _SQL["changed"]).replace("{table}", table)
    limits_of = {"as_of": moment.position, "rows_max": ROWS_MAX, "events_max": EVENTS_MAX}
    changed = await ask(queries.filtered(query, conditions), {**values, **limits_of})
    if len(changed) > ROWS_MAX:
        raise _too_wide(f"more than {ROWS_MAX} {table} have", moment)
    if not changed:
        return "[]"
    streams = [kind.stream + key for (key,) in changed]
    events = await ask(_SQL[kind.events], {**limits_of, "streams": streams})
    if len(events) > EVENTS_MAX:
        raise _too_wide(f"{table} with more than {EVENTS_MAX} events before that have", moment)
    return await asyncio.to_thread(rows_of, kind.projection, events)


async def _minute_begins(ask: Ask, moment: Moment) -> int:
    """The position of the last event of an earlier minute."""
    before_us = moment.at_us // MINUTE_US * MINUTE_US - 1
    ((position,),) = await ask(_SQL["by_time"], {"at_us": before_us})
    return int(position)


def _too_wide(what: str, moment: Moment) -> Failure:
    text = (
        f"As of position {moment.position}: {what} changed since, which is too much for one "
        "answer. Narrow it, by account_names, connector_names, trading_pairs or times, or ask for "
        "a later position."
    )
    return Failure(422, text, "as_of_too_wide")
