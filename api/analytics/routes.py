"""Questions of analysts: one SELECT at a time over the lake, in a process without secrets.

`Log-Position` is how far the tables of the query are, within one snapshot of the lake.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import Request, get, post

from adapters.lake.sandbox import Answer, BadQuery, Sandbox, TooMany
from adapters.lake.sandbox_formats import CSV, FORMATS, JSON
from adapters.lake.tables import EVENTS, FOLDED, TABLES
from api.analytics.schemas import QueryBody, QueryResult, Table, TableColumn, TableList
from api.analytics.units import unit_of
from api.deps import deps_of
from api.errors import Failure
from api.http.body_and_headers import headers, read_body
from api.http.decoding import Body
from api.openapi import Operation
from api.reading import answer, wait_for_position
from api.reply import Reply

SCOPE = "analyse"
CUT = "Aviary-Truncated"
_ROWS = "Aviary-Row-Count"
SHOWN_HEADERS = (CUT, _ROWS)
_SOON = {"Retry-After": "1"}
_CODES: Mapping[str, str] = {
    "refused": "query_not_allowed",
    "query": "query_failed",
    "bytes": "query_too_large",
    "seconds": "query_too_long",
    "memory": "query_too_large",
}
_query_body = Body(QueryBody)
_CHECKPOINTS = "select projection, position from checkpoints"


@post(
    "/analytics/query",
    opt={
        "scope": SCOPE,
        "operation": Operation(
            "One SELECT over the lake's tables: JSON, CSV or an Arrow stream by Accept.",
            {200: QueryResult},
            body=QueryBody,
            errors=(400, 406),
        ),
    },
    status_code=200,
)
async def query(request: Request[Any, Any, Any]) -> Reply:
    kind = _accepted(request)
    body: QueryBody = _query_body(await read_body(request))
    sandbox = deps_of(request).sandbox
    try:
        found = await _while_connected(request, sandbox, body.sql, kind)
    except TooMany:
        text = f"{sandbox.bounds.at_once} queries run already (AVIARY_ANALYTICS_QUERIES_MAX)."
        raise Failure(429, f"{text} Try again shortly.", "too_many_queries", _SOON) from None
    except BadQuery as error:
        raise Failure(400, str(error), _CODES[error.kind]) from None
    shown = {"Log-Position": str(found.position), _ROWS: str(found.row_count)}
    if found.cut_by is not None:
        shown[CUT] = found.cut_by
    media_type = f"{kind}; charset=utf-8; header=present" if kind == CSV else kind
    return Reply(found.body, 200, shown, media_type)


@get(
    "/analytics/tables",
    opt={
        "scope": SCOPE,
        "operation": Operation(
            "The lake's tables, their columns and units, and how far each is.",
            {200: TableList},
            is_read=True,
        ),
    },
)
async def tables(request: Request[Any, Any, Any]) -> Reply:
    deps = await wait_for_position(request)
    positions = {str(n): int(p) for n, p in await deps.lake.query(_CHECKPOINTS)}
    shown = [
        Table(
            name,
            "folded" if name in FOLDED else "exported" if name == EVENTS else "collected",
            [TableColumn(c, kind, unit_of(name, c)) for c, kind in columns.items()],
            positions.get(name),
        )
        for name, columns in TABLES.items()
    ]
    least = min((positions[name] for name in FOLDED if name in positions), default=0)
    return answer(msgspec.json.encode(TableList(shown)), least)


async def _while_connected(
    request: Request[Any, Any, Any], sandbox: Sandbox, sql: str, kind: str
) -> Answer:
    """The query ends when its client goes."""
    running = asyncio.create_task(sandbox.run(sql, kind))
    leaving = asyncio.create_task(_left(request))
    try:
        await asyncio.wait({running, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not running.done():
            raise Failure(400, "The connection was closed before the query was answered.")
        return running.result()
    finally:
        for task in (running, leaving):
            task.cancel()
        await asyncio.gather(running, leaving, return_exceptions=True)


async def _left(request: Request[Any, Any, Any]) -> None:
    while True:
        message: Any = await request.receive()
        if message["type"] == "http.disconnect":
            return


def _accepted(request: Request[Any, Any, Any]) -> str:
    """The first of our formats that the client likes best; JSON where it says nothing."""
    given = b",".join(headers(request.scope, b"accept")).decode("latin-1")
    if not given.strip():
        return JSON
    ranked = [(_weight(kind, given), -at, kind) for at, kind in enumerate(FORMATS)]
    weight, _, kind = max(ranked)
    if weight <= 0:
        listed = ", ".join(FORMATS)
        raise Failure(406, f"None of {given[:200]!r} can be answered; there are: {listed}.")
    return kind


def _weight(kind: str, accept: str) -> float:
    """What the most specific range that covers a media type says of it; 0 without one."""
    found: dict[int, float] = {}
    for part in accept.split(","):
        name, *parameters = (piece.strip().lower() for piece in part.split(";"))
        ranges = ("*/*", f"{kind.partition('/')[0]}/*", kind)
        if name in ranges:
            found[ranges.index(name)] = _quality(parameters)
    return found[max(found)] if found else 0.0


def _quality(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return min(1.0, max(0.0, float(value)))
            except ValueError:
                return 0.0
    return 1.0
