"""Pages of a read model: filters, a keyset cursor, and how many there are in all.

Rows come as one JSON text made by Postgres, so a page costs us no decoding. A large count may be
two seconds old, because counting costs more than the page.
"""

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, Literal

import msgspec
from litestar import Request
from msgspec import Struct, structs

from api.as_of import Moment, moment_of
from api.cursors import Cursors
from api.errors import invalid
from api.openapi import Operation
from api.past import Past, past_of, read_past
from api.reading import Ask, Row, answer, rows, wait_for_position
from api.reply import Reply
from projections import queries

Order = Literal["newest", "active"]
Complete = Callable[[bytes, int, bool], Awaitable[bytes]]
"""Given the rows, the position that they are of, and whether that is the present."""
COUNT_MAX = 100_000
_CHEAP_COUNT = 2_000
_COUNT_SECONDS = 2.0
_COUNTS_KEPT = 1_000
_MILLISECONDS_FROM = 10**11
_CHANGING = frozenset({"status"})
"""Filters that a row may meet at one time and not at another."""


class _Count(Struct, frozen=True):
    total: int
    counted_at: float


class Listing:
    """One list in one order, for one app."""

    def __init__(
        self, table: str, order: Order, cursors: Cursors, beside: Sequence[str] = ()
    ) -> None:
        """`beside` names the other read models that its query reads."""
        self._sql = queries.listed(table, is_newest_first=order == "newest")
        self._always = [self._sql["active"]] if order == "active" else []
        self._name = f"{table}/{order}"
        self._tables = (table, *beside)
        self._cursors = cursors
        self._counts: OrderedDict[str, _Count] = OrderedDict()

    async def page(
        self, request: Request[Any, Any, Any], asked: Struct, complete: Complete | None = None
    ) -> Reply:
        """`asked` has limit and cursor; its other fields are filters, None when not wanted.

        `complete` makes of the rows, a JSON list, what is shown.
        """
        given = structs.asdict(asked)
        limit, cursor = given.pop("limit"), given.pop("cursor")
        after = pinned = None
        if cursor:
            after, pinned = self._cursors.read_with_as_of(self._name, cursor)
        deps = await wait_for_position(request)
        moment = await moment_of(request, pinned)
        if moment is not None and cursor and pinned is None:
            text = "The cursor is of a list of the present; begin without one for a list as_of"
            raise invalid("value_error", ("query", "as_of"), text)
        names, values = self._conditions(given)
        if moment is None:
            ask = partial(rows, deps.pool)
            total, found = await self._read(ask, names, values, after, limit)
        else:
            work = partial(self._read_past, moment, names, values, after, limit)
            total, found = await read_past(deps, work)
        position, has_more, last, items = found
        then = None if moment is None else moment.position
        following = self._cursors.make(self._name, last, then) if has_more else None
        pagination = {
            "limit": limit,
            "has_more": has_more,
            "next_cursor": following,
            "total_count": total,
        }
        data = items.encode()
        if complete is not None:
            data = await complete(data, position, moment is None)
        body = b'{"data":%b,"pagination":%b}' % (data, msgspec.json.encode(pagination))
        return answer(body, position)

    async def _read_past(
        self,
        moment: Moment,
        names: list[str],
        values: Mapping[str, Any],
        after: int | None,
        limit: int,
        ask: Ask,
    ) -> tuple[int, Row]:
        lasting = [self._sql[name] for name in names if name not in _CHANGING]
        past = await past_of(ask, moment, self._tables, lasting, values)
        return await self._read(ask, names, values, after, limit, past)

    async def _read(
        self,
        ask: Ask,
        names: list[str],
        values: Mapping[str, Any],
        after: int | None,
        limit: int,
        past: Past | None = None,
    ) -> tuple[int, Row]:
        """How many there are in all, and the page."""
        conditions = self._always + [self._sql[name] for name in names]
        total = await self._total(ask, conditions, values, past)
        if after is not None:
            conditions.append(self._sql["after"])
        query = queries.filtered(self._sql["page"], conditions)
        given = {**values, "after": after, "limit": limit}
        if past is not None:
            query, given = past.query(query), {**given, **past.values}
        (found,) = await ask(query, given)
        return total, found

    def _conditions(self, given: Mapping[str, Any]) -> tuple[list[str], dict[str, Any]]:
        names: list[str] = []
        values: dict[str, Any] = {}
        for name, value in given.items():
            match value:
                case None | []:
                    continue
                case [single]:
                    names.append(f"{name}_one")
                    values[name] = single
                case int():
                    names.append(name)
                    values[name] = to_us(value, is_end=name == "end_time")
                case _:
                    names.append(name)
                    values[name] = value
        return names, values

    async def _total(
        self, ask: Ask, conditions: list[str], values: Mapping[str, Any], past: Past | None
    ) -> int:
        query = queries.filtered(self._sql["count"], conditions)
        given = {**values, "count_max": COUNT_MAX}
        if past is not None:
            (counted,) = await ask(past.query(query), {**given, **past.values})
            return int(counted[0])
        key = repr((conditions, values))
        known = self._counts.get(key)
        now = time.monotonic()
        if known is not None and _is_good(known, now):
            return known.total
        (counted,) = await ask(query, given)
        total = int(counted[0])
        self._counts[key] = _Count(total, now)
        self._counts.move_to_end(key)
        while len(self._counts) > _COUNTS_KEPT:
            self._counts.popitem(last=False)
        return total


def listing_of(request: Request[Any, Any, Any], name: str) -> Listing:
    listing: Listing = request.app.state.listings[name]
    return listing


def reads(summary: str, page: Any, *, body: Any = None, query: Any = None) -> dict[str, Any]:
    """The options of a route that answers pages of a list."""
    operation = Operation(summary, {200: page}, body=body, query=query, is_read=True, is_as_of=True)
    return {"scope": "read", "operation": operation}


def _is_good(count: _Count, now: float) -> bool:
    """Small counts are always made anew: they cost nothing and people look at them closely."""
    return count.total > _CHEAP_COUNT and now - count.counted_at < _COUNT_SECONDS


def to_us(value: int, *, is_end: bool = False) -> int:
    """Clients send seconds or milliseconds; an end includes all of its second or millisecond."""
    unit = 1_000 if value >= _MILLISECONDS_FROM else 1_000_000
    return value * unit + (unit - 1 if is_end else 0)
