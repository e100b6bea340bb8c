"""How the value of the portfolio went, from the lake: a series by interval, and its figures.

The last snapshot of an interval is its value; an account without one keeps its last value, from its
first snapshot in the range on, and before that adds nothing. Values are doubles, rounded to 6
places. What was paid in or taken out is not told apart from profit: `basis` says so.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import msgspec
from litestar import Request, get, post
from msgspec import structs

from api.as_of import as_of
from api.deps import Deps
from api.errors import RETRY_SOON, Failure, invalid
from api.http.body_and_headers import read_body
from api.http.decoding import Body, Query
from api.lists import to_us
from api.portfolio.returns import Figures, Moved, figures
from api.portfolio.routes import opt
from api.portfolio.schemas import (
    SECONDS_OF,
    Performance,
    PerformanceFilter,
    PerformancePoint,
)
from api.reading import MIN_POSITION_SECONDS, answer, min_position, wait_for_position
from api.reply import Reply
from projections import queries

POINTS_MAX = 20_000
BASIS = (
    "Values of snapshots. Deposits and withdrawals are not separated from profit and loss. "
    "Accounts keep their last value where they have no snapshot; tokens without a price are left "
    "out."
)
_SECONDS = 10.0
_POLL_SECONDS = 0.25
_SQL = queries.load("portfolio_performance")
_body, _query = Body(PerformanceFilter), Query(PerformanceFilter)
_SUMMARY = "How the value went: profit and loss, drawdown, volatility, Sharpe ratio, a series."


@get("/portfolio/performance", opt=opt(_SUMMARY, Performance, PerformanceFilter, is_post=False))
async def performance_by_query(request: Request[Any, Any, Any]) -> Reply:
    return await _performance(request, _query(request))


@post(
    "/portfolio/performance",
    opt=opt(_SUMMARY, Performance, PerformanceFilter, is_post=True),
    status_code=200,
)
async def performance_by_body(request: Request[Any, Any, Any]) -> Reply:
    return await _performance(request, _body(await read_body(request)))


async def _performance(request: Request[Any, Any, Any], asked: PerformanceFilter) -> Reply:
    seconds = SECONDS_OF[asked.interval or "1h"]
    start_us, end_us = _range(asked, seconds, time.time_ns() // 1000)
    deps = await wait_for_position(request)
    then = await as_of(request)
    least = min_position(request) if then is None else then
    sql, values = _question(asked, start_us, end_us, seconds, then)
    found = await _ask(deps, sql, values, least or 0)
    position = next((int(row[2]) for row in found if row[0] == "position"), 0)
    content = msgspec.json.encode(_shown(found, seconds))
    return answer(content, position if then is None else then)


def _range(asked: PerformanceFilter, seconds: int, now_us: int) -> tuple[int, int]:
    """The first and the last microsecond; raises Failure 422 for more points than may be shown."""
    end_us = now_us if asked.end_time is None else to_us(asked.end_time, is_end=True)
    longest_us = (POINTS_MAX - 1) * seconds * 1_000_000
    if asked.start_time is None:
        return max(0, end_us - longest_us), end_us
    start_us = to_us(asked.start_time)
    if min(end_us, now_us) - start_us > longest_us:
        text = (
            f"More than {POINTS_MAX} intervals lie between start_time and end_time: take a longer "
            "interval or a shorter time"
        )
        raise invalid("value_error", ("interval",), text, asked.interval)
    return start_us, end_us


def _question(
    asked: PerformanceFilter, start_us: int, end_us: int, seconds: int, then: int | None
) -> tuple[str, list[object]]:
    values: list[object] = [start_us, end_us, seconds * 1_000_000]

    def condition(name: str, value: object) -> str:
        if not value and value != 0:
            return "true"
        values.append(value)
        return _SQL[name].replace("{value}", f"${len(values)}")

    rows = [condition("account_names", asked.account_names), condition("as_of", then)]
    sql = _SQL["figures"].replace("{rows}", " and ".join(rows))
    return sql.replace("{wanted}", condition("connector_names", asked.connector_names)), values


async def _ask(
    deps: Deps, sql: str, values: Sequence[object], least: int
) -> Sequence[tuple[Any, ...]]:
    """Once the lake holds that position, which comes some seconds after the read models do."""
    give_up_at = time.monotonic() + MIN_POSITION_SECONDS
    while least:
        position = await deps.lake.position("portfolio_values")
        if position >= least:
            break
        if time.monotonic() > give_up_at:
            text = f"The lake has not reached position {least} yet; it is at {position}."
            raise Failure(503, text, "position_not_reached", RETRY_SOON)
        await asyncio.sleep(_POLL_SECONDS)
    return await deps.lake.query(sql, values, seconds=_SECONDS)


def _shown(found: Sequence[tuple[Any, ...]], seconds: int) -> Performance:
    of: dict[str | None, Figures] = {}
    for kind, name, _, _, *moved in found:
        if kind == "figures":
            of[name] = figures(Moved(*moved), seconds)
    series = sorted((row[2], row[1], row[4]) for row in found if row[0] == "series")
    points = [PerformancePoint(began, value) for _, began, value in series]
    nothing = figures(Moved(0.0, 0.0, None, None, None), seconds)
    return Performance(
        start_time=points[0].timestamp if points else None,
        end_time=points[-1].timestamp if points else None,
        **structs.asdict(of.pop(None, nothing)),
        by_account={name or "": its for name, its in sorted(of.items(), key=_name_of)},
        series=points,
        basis=BASIS,
        unpriced=sorted(row[1] for row in found if row[0] == "unpriced"),
    )


def _name_of(item: tuple[str | None, Figures]) -> str:
    return item[0] or ""


HANDLERS = (performance_by_query, performance_by_body)
