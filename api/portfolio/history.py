"""The portfolio's history: the last snapshots of each bucket of an interval, newest first.

A cursor is the timestamp of the last entry that was shown: the next page begins before its bucket.
Postgres makes the whole answer as text. An account without a snapshot in a bucket is not in its
entry: what it held then is not known.
"""

import contextlib
import re
from datetime import UTC, datetime
from typing import Any

import msgspec
from litestar import Request, get, post

from api.as_of import Moment, moment_of
from api.errors import invalid
from api.http.body_and_headers import read_body
from api.http.decoding import Body, Query
from api.lists import to_us
from api.past import row_then
from api.portfolio.routes import opt
from api.portfolio.schemas import (
    SECONDS_OF,
    HistoryFilter,
    HistoryFilters,
    HistoryPage,
    HistoryPagination,
)
from api.reading import answer, wait_for_position
from api.reply import Reply
from projections import queries

ROWS_MAX = 20_000
"""Of a page, one for each account and connector in an entry: beyond, it has fewer entries."""
_SCANNED_SECONDS_MAX = 900
"""There is a snapshot a minute at most: buckets of up to so long are read whole."""
_SQL = queries.load("portfolio_snapshots")
_TIME_MAX_US = 2**62
_CURSOR = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2})?(\+00:00|Z)?")
_POSITION = re.compile(r"[0-9]{0,18}")
_OF_ACCOUNTS = queries.load("portfolios")["account_names"]
_body, _query = Body(HistoryFilter), Query(HistoryFilter)
_SUMMARY = "Snapshots, the last of each interval, newest first."


@get("/portfolio/history", opt=opt(_SUMMARY, HistoryPage, HistoryFilter, is_post=False))
async def history_by_query(request: Request[Any, Any, Any]) -> Reply:
    return await _history(request, _query(request))


@post(
    "/portfolio/history",
    opt=opt(_SUMMARY, HistoryPage, HistoryFilter, is_post=True),
    status_code=200,
)
async def history_by_body(request: Request[Any, Any, Any]) -> Reply:
    return await _history(request, _body(await read_body(request)))


async def _history(request: Request[Any, Any, Any], asked: HistoryFilter) -> Reply:
    interval = asked.interval or "5m"
    interval_us = SECONDS_OF[interval] * 1_000_000
    newest_us = _TIME_MAX_US if asked.end_time is None else to_us(asked.end_time, is_end=True)
    pinned = None
    if asked.cursor:
        at_us, pinned = _place_of(asked.cursor)
        newest_us = min(newest_us, at_us // interval_us * interval_us - 1)
    deps = await wait_for_position(request)
    moment = await moment_of(request, pinned)
    found = await row_then(
        deps,
        moment,
        _page_of(asked, SECONDS_OF[interval]),
        {
            "account_names": asked.account_names,
            "connector_names": asked.connector_names,
            "oldest_us": 0 if asked.start_time is None else to_us(asked.start_time),
            "newest_us": newest_us,
            "interval_us": interval_us,
            "limit": asked.limit,
            "rows_max": ROWS_MAX,
        },
        ("portfolio_snapshots",),
        [_OF_ACCOUNTS] if asked.account_names else [],
    )
    assert found is not None  # noqa: S101 - an aggregate always gives a row
    position, has_more, last_us, items = found
    pagination = HistoryPagination(
        asked.limit,
        has_more,
        _cursor(last_us, moment) if has_more else None,
        asked.cursor or None,
        HistoryFilters(
            asked.account_names,
            asked.connector_names,
            asked.start_time,
            asked.end_time,
            interval,
        ),
    )
    body = b'{"data":%b,"pagination":%b}' % (items.encode(), msgspec.json.encode(pagination))
    return answer(body, position)


def _page_of(asked: HistoryFilter, interval_seconds: int) -> str:
    is_filtered = bool(asked.account_names or asked.connector_names)
    is_short = interval_seconds <= _SCANNED_SECONDS_MAX
    parts = {
        "{accounts}": _SQL["account_names"] if asked.account_names else "true",
        "{connectors}": _SQL["connector_names"] if asked.connector_names else "true",
        "{last}": _SQL["last_of_wanted" if is_filtered else "last_of_all"],
        "{own}": _SQL["own_by_scan" if is_short else "own_by_lookup"],
    }
    page = _SQL["page"]
    for blank, part in parts.items():
        page = page.replace(blank, part)
    return page


def _iso(at_us: int) -> str:
    return datetime.fromtimestamp(at_us // 1_000_000, UTC).isoformat()


def _cursor(last_us: int, moment: Moment | None) -> str:
    return _iso(last_us) if moment is None else f"{_iso(last_us)}@{moment.position}"


def _place_of(cursor: str) -> tuple[int, int | None]:
    """The time, and the position that the pages are as of.

    A plus sign that was not escaped in a query arrives as a space.
    """
    text, _, position = cursor.replace(" ", "+").partition("@")
    found = None
    if _CURSOR.fullmatch(text) and _POSITION.fullmatch(position):
        with contextlib.suppress(ValueError):  # such as a 13th month
            found = datetime.fromisoformat(text)
    if found is None:
        expected = "This is no cursor of this list. Pass next_cursor of its last page, unchanged."
        raise invalid("value_error", ("cursor",), expected, cursor[:200])
    at_us = int(found.replace(tzinfo=UTC).timestamp()) * 1_000_000
    return at_us, int(position) if position else None


HANDLERS = (history_by_query, history_by_body)
