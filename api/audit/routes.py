"""What happened, who asked for it and what came of it: read from the log itself.

`Log-Position` is the log's head here, and the read models' only for what is parked.
"""

import asyncio
from typing import Any

import msgspec
from litestar import Request, get, post
from litestar.params import FromPath
from msgspec import structs

from api.audit import events as audit_events
from api.audit.schemas import (
    CommandPage,
    EventFilter,
    EventPage,
    EventPagination,
    ParkedList,
    ReceiptItem,
    RetriedList,
    RetryBody,
    StreamFilter,
    StreamPage,
)
from api.cursors import Cursors
from api.deps import Deps, deps_of
from api.errors import RETRY_SOON, Failure
from api.http.body_and_headers import read_body
from api.http.decoding import Body, Query
from api.lists import to_us
from api.openapi import Operation
from api.reading import answer, in_thread, row, rows, wait_for_position
from api.reply import Reply
from commands.catalogue import AGGREGATES
from commands.codec import LogIsNewer
from commands.folding import fold
from commands.store import Store
from projections import queries

_SQL = queries.load("audit")
_ITEMS_MAX = 1_000
_RETRY_SECONDS = 30.0
_event_query, _stream_query = Query(EventFilter), Query(StreamFilter)
_retry_body = Body(RetryBody)


def _opt(summary: str, page: Any, query: Any = None, errors: tuple[int, ...] = ()) -> Any:
    operation = Operation(summary, {200: page}, query=query, is_read=True, errors=errors)
    return {"scope": "read", "operation": operation}


@get("/audit/events", opt=_opt("Events of the log.", EventPage, EventFilter))
async def events(request: Request[Any, Any, Any]) -> Reply:
    asked: EventFilter = _event_query(request)
    deps = await wait_for_position(request)
    cursors: Cursors = request.app.state.cursors
    direction = "ascending" if asked.order == "asc" else "descending"
    given = structs.asdict(asked)
    names = [
        name
        for name, value in given.items()
        if value is not None and name not in ("limit", "order", "cursor")
    ]
    values = {name: given[name] for name in names}
    for name in ("from_time", "to_time"):
        if name in values:
            values[name] = to_us(values[name], is_end=name == "to_time")
    if asked.cursor is not None:
        values["at"] = cursors.read(f"audit/{direction}", asked.cursor)
        names.append(f"after_{direction}")
    head = await _head(deps)
    query = queries.filtered(_SQL[direction], [_SQL[name] for name in names])
    found = await rows(deps.pool, query, {**values, "limit": asked.limit})
    page = found[: asked.limit]
    has_more = len(found) > asked.limit
    following = cursors.make(f"audit/{direction}", page[-1][0]) if has_more else None
    pagination = EventPagination(asked.limit, has_more, following)
    return _answer(EventPage(audit_events.shown(page), pagination), head)


@get(
    "/audit/streams/{stream:str}",
    opt=_opt("One stream's events and state.", StreamPage, StreamFilter, (404,)),
)
async def stream_events(request: Request[Any, Any, Any], stream: FromPath[str]) -> Reply:
    asked: StreamFilter = _stream_query(request)
    deps = await wait_for_position(request)
    _check_text(stream)
    head = await _head(deps)
    query = queries.filtered(_SQL["ascending"], [_SQL["stream"], _SQL["after_version"]])
    values = {"stream": stream, "after_version": asked.after_version, "limit": asked.limit}
    found = await rows(deps.pool, query, values)
    version, state, error = await in_thread(_state, deps.store, stream)
    if not version and not found:
        raise Failure(404, f"There is no stream {stream!r}.")
    page = audit_events.shown(found[: asked.limit])
    return _answer(StreamPage(stream, version, state, error, page, len(found) > asked.limit), head)


def _state(store: Store, stream: str) -> tuple[int, dict[str, Any] | None, str | None]:
    if stream.partition("-")[0] not in AGGREGATES:
        return 0, None, "This kind of stream is not known here."
    try:
        version, state = fold(store, stream)
    except LogIsNewer as error:
        return 0, None, str(error)
    return version, msgspec.to_builtins(state), None


@get(
    "/audit/commands/{command_id:str}",
    opt=_opt("What became of a command.", CommandPage, errors=(404,)),
)
async def command(request: Request[Any, Any, Any], command_id: FromPath[str]) -> Reply:
    deps = await wait_for_position(request)
    _check_text(command_id)
    head = await _head(deps)
    found = await row(deps.pool, _SQL["receipt"], {"command_id": command_id})
    if found is None:
        raise Failure(404, f"No command {command_id!r} was ever accepted or refused.")
    receipt = ReceiptItem(*found)
    values = {"command_id": command_id, "correlation_id": command_id, "limit": _ITEMS_MAX}
    own = queries.filtered(_SQL["ascending"], [_SQL["command_id"]])
    correlated = queries.filtered(_SQL["ascending"], [_SQL["correlation_id"]])
    page = CommandPage(
        receipt,
        audit_events.shown(await rows(deps.pool, own, values)),
        audit_events.shown((await rows(deps.pool, correlated, values))[:_ITEMS_MAX]),
    )
    return _answer(page, head)


@get("/audit/parked", opt=_opt("Read model keys whose events wait.", ParkedList))
async def parked(request: Request[Any, Any, Any]) -> Reply:
    deps = await wait_for_position(request)
    found = await row(deps.pool, _SQL["parked"], {})
    assert found is not None  # noqa: S101 - an aggregate always gives a row
    return answer(b'{"data":%b}' % found[1].encode(), found[0])


@post(
    "/audit/parked/retry",
    opt={
        "scope": "admin",
        "operation": Operation("Fold parked events again.", {200: RetriedList}, body=RetryBody),
    },
    status_code=200,
)
async def retry_parked(request: Request[Any, Any, Any]) -> Reply:
    deps = deps_of(request)
    asked: RetryBody = _retry_body(await read_body(request))
    try:
        async with asyncio.timeout(_RETRY_SECONDS):
            retried = await deps.retry_parked(asked.projection, asked.key)
    except TimeoutError:
        text = "The store has not answered in time. Asking again changes nothing that was folded."
        raise Failure(503, text, "store_unavailable", RETRY_SOON) from None
    return Reply(msgspec.json.encode({"data": list(retried)}))


async def _head(deps: Deps) -> int:
    found = await row(deps.pool, _SQL["head"], {})
    return int(found[0]) if found else 0


def _check_text(name: str) -> None:
    if not name.isprintable():
        raise Failure(404, "Nothing has this name.")


def _answer(page: Any, position: int) -> Reply:
    return answer(msgspec.json.encode(page), position)
