"""`?as_of=` on reads: the position of the log, or the time, that the answer is to be of.

A whole number below 1,000,000,000 is a position, a larger one a time in Unix seconds, or in
milliseconds from 100,000,000,000 on; anything else is a time in ISO 8601, in UTC where it names no
offset. A time means the last event recorded by then. What the past did not hold is refused, never
guessed: a position beyond the head, a time that is still to come or before the log began.
"""

import re
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from litestar import Request
from msgspec import Struct

from api.audit.events import iso
from api.deps import Deps, deps_of
from api.errors import invalid
from api.http.decoding import parameter
from api.reading import POSITION_MAX, reach, row
from projections import queries

_SQL = queries.load("as_of")
_TIMES_FROM = 10**9
_MILLISECONDS_FROM = 10**11
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_US = timedelta(microseconds=1)
_LOC = ("query", "as_of")
_EXPECTED = (
    "Expected a position of the log (a whole number from 0, as in the header Log-Position) or a "
    "time: ISO 8601, Unix seconds or milliseconds"
)


class Moment(Struct, frozen=True):
    """A place in the past, whose answers never change."""

    position: int
    at_us: int
    """When the event there was recorded: what `now` was then."""


async def as_of(request: Request[Any, Any, Any]) -> int | None:
    """The position that is asked for, once the read models hold it; None for the present.

    Raises Failure 422 for what is no place in the past, 503 where the read models are behind it.
    """
    moment = await moment_of(request)
    return None if moment is None else moment.position


async def moment_of(request: Request[Any, Any, Any], pinned: int | None = None) -> Moment | None:
    """`pinned` is what a cursor was made as of: then another position is refused."""
    text = parameter(request, "as_of")
    if text is None and pinned is None:
        return None
    deps = deps_of(request)
    position = pinned if text is None else await _position(deps, text)
    if pinned is not None and position != pinned:
        message = (
            f"The cursor is of a list as of position {pinned}, and this asks for {position}. Pass "
            "the same as_of with every page, or none with a cursor"
        )
        raise invalid("value_error", _LOC, message, text)
    return await _reached(deps, position or 0, text)


async def _position(deps: Deps, text: str) -> int:
    if re.fullmatch(r"[0-9]{1,19}", text, re.ASCII):
        number = int(text)
        if number < _TIMES_FROM:
            return number
        if number > POSITION_MAX:
            raise invalid("int_parsing", _LOC, _EXPECTED, text)
        at_us = number * (1_000 if number >= _MILLISECONDS_FROM else 1_000_000)
    else:
        at_us = _time_us(text)
    now_us = time.time_ns() // 1000
    if at_us > now_us:
        message = f"That is still to come: it is {iso(now_us)} now. Leave as_of out for the present"
        raise invalid("value_error", _LOC, message, text[:200])
    found = await row(deps.pool, _SQL["by_time"], {"at_us": at_us})
    position = int(found[0]) if found else 0
    if position == 0:
        first = await row(deps.pool, _SQL["moment"], {"position": 0})
        begins = iso(first[2]) if first and first[2] is not None else "not yet"
        message = (
            f"Nothing had been recorded by then: the log begins {begins}. Numbers from "
            f"{_TIMES_FROM} on are times, not positions"
        )
        raise invalid("value_error", _LOC, message, text[:200])
    return position


def _time_us(text: str) -> int:
    # An unescaped `+` in a query is a space: what our own answers show may be pasted as it is.
    written = re.sub(r" (\d\d:?\d\d)$", r"+\1", text) if "T" in text else text
    try:
        found = datetime.fromisoformat(written)
    except ValueError:
        raise invalid("value_error", _LOC, _EXPECTED, text[:200]) from None
    return ((found if found.tzinfo else found.replace(tzinfo=UTC)) - _EPOCH) // _US


async def _reached(deps: Deps, position: int, text: str | None) -> Moment:
    found = await row(deps.pool, _SQL["moment"], {"position": position})
    head, at_us = (0, None) if found is None else found[:2]
    if position > head:
        message = f"The log ends at position {head}. Leave as_of out for the present"
        raise invalid("value_error", _LOC, message, text)
    await reach(deps, position)
    return Moment(position, at_us or 0)
