"""Positions and funding payments as lists, from what workers have observed."""

from typing import Any

from litestar import Request, get, post

from api.deps import deps_of
from api.http.body_and_headers import read_body
from api.http.decoding import Body, Query
from api.lists import Listing
from api.openapi import Operation
from api.perpetual.schemas import FundingFilter, FundingPage, PositionFilter, PositionPage
from api.reply import Reply

_position_body, _funding_body = Body(PositionFilter), Body(FundingFilter)
_position_query = Query(PositionFilter)
_POSITIONS = (
    "Positions as their venues showed them last, in the order in which they were opened. LONG and "
    "SHORT of one pair are two rows. A venue that cannot be asked keeps its rows, with their age."
)


def _listing(request: Request[Any, Any, Any], name: str) -> Listing:
    listing: Listing = request.app.state.listings[name]
    return listing


def _opt(summary: str, page: Any, *, body: Any = None, query: Any = None) -> dict[str, Any]:
    operation = Operation(summary, {200: page}, body=body, query=query, is_read=True)
    return {"scope": "read", "operation": operation}


@get("/trading/positions", opt=_opt(_POSITIONS, PositionPage, query=PositionFilter))
async def positions(request: Request[Any, Any, Any]) -> Reply:
    return await _listing(request, "positions").page(request, _position_query(request))


@post(
    "/trading/positions",
    opt=_opt(_POSITIONS, PositionPage, body=PositionFilter),
    status_code=200,
)
async def search_positions(request: Request[Any, Any, Any]) -> Reply:
    raw = await read_body(request, deps_of(request).settings.body_bytes_max)
    return await _listing(request, "positions").page(request, _position_body(raw))


@post(
    "/trading/funding-payments",
    opt=_opt("Funding payments, the latest first.", FundingPage, body=FundingFilter),
    status_code=200,
)
async def search_funding(request: Request[Any, Any, Any]) -> Reply:
    raw = await read_body(request, deps_of(request).settings.body_bytes_max)
    return await _listing(request, "funding").page(request, _funding_body(raw))
