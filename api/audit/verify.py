"""Checks the seals of a range of the log, page by page in a thread."""

from typing import Any

import msgspec
from litestar import Request, get

from api.audit.schemas import Verified, VerifyRange
from api.errors import invalid
from api.http.decoding import Query
from api.openapi import Operation
from api.reading import answer, in_thread, wait_for_position
from api.reply import Reply
from commands.seal import SealBroken, verify_page
from commands.store import Store
from domain.log import Head

DEFAULT_EVENTS = 10_000
EVENTS_MAX = 100_000
_VERIFY_SECONDS = 60.0
_PAGE = 1_000
_query = Query(VerifyRange)


@get(
    "/audit/verify",
    opt={
        "scope": "read",
        "operation": Operation(
            f"Check the seals of a range: the last {DEFAULT_EVENTS} events if none is given, at "
            f"most {EVENTS_MAX}.",
            {200: Verified},
            query=VerifyRange,
            is_read=True,
        ),
    },
)
async def verify(request: Request[Any, Any, Any]) -> Reply:
    asked: VerifyRange = _query(request)
    deps = await wait_for_position(request)
    head = await in_thread(deps.store.head)
    until = head.position if asked.to is None else min(asked.to, head.position)
    start = max(1, until - DEFAULT_EVENTS + 1) if asked.from_ is None else asked.from_
    if until - start >= EVENTS_MAX:
        text = f"{start} to {until} is more than {EVENTS_MAX} events; ask in parts."
        raise invalid("value_error", ("query", "from"), text, start)
    verified = await in_thread(
        _verify, deps.store, start, until, head, timeout_seconds=_VERIFY_SECONDS
    )
    return answer(msgspec.json.encode(verified), head.position)


def _verify(store: Store, start: int, until: int, stored: Head) -> Verified:
    if start > until:
        return Verified("clean", start, until, "There are no events in this range.")
    try:
        trusted = _head_before(store, start)
        _verify_after(trusted, store, until, stored)
    except SealBroken as broken:
        return Verified("broken", start, until, str(broken), broken.position)
    basis = (
        "from the first event on"
        if start == 1
        else f"trusting the stored seal of position {trusted.position}, {trusted.seal.hex()}"
    )
    return Verified("clean", start, until, f"Every seal is right, {basis}.")


def _verify_after(head: Head, store: Store, until: int, stored: Head) -> None:
    while head.position < until:
        page = store.read_log(head.position, min(_PAGE, until - head.position))
        if not page:
            raise SealBroken(head.position + 1, f"Position {head.position + 1} is missing.")
        head = verify_page(head, page)
    if until == stored.position and head.seal != stored.seal:
        raise SealBroken(until, f"The head's seal is not that of position {until}.")


def _head_before(store: Store, start: int) -> Head:
    if start == 1:
        return Head()
    found = store.read_log(start - 2, 1)
    if not found or found[0].position != start - 1:
        raise SealBroken(start - 1, f"Position {start - 1} is missing.")
    return Head(found[0].position, found[0].seal)
