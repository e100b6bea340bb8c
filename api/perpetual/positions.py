"""Positions and funding payments as lists, from what workers have observed."""

from typing import Any

from litestar import Request, get, post

from api.http.body_and_headers import read_body
from api.http.decoding import Body, Query
from api.lists import listing_of, reads
from api.perpetual.schemas import FundingFilter, FundingPage, PositionFilter, PositionPage
from api.reply import Reply

_position_body, _funding_body = Body(PositionFilter), Body(FundingFilter)
_position_query = Query(PositionFilter)
BESIDE = ("accounts", "position_baselines", "position_looks")
_POSITIONS = (
    "Positions as their venues showed them last, in the order in which they were opened. LONG and "
    "SHORT of one pair are two rows. A venue that cannot be asked keeps its rows, with their age."
)


@get("/trading/positions", opt=reads(_POSITIONS, PositionPage, query=PositionFilter))
async def positions(request: Request[Any, Any, Any]) -> Reply:
    return await listing_of(request, "positions").page(request, _position_query(request))


@post(
    "/trading/positions",
    opt=reads(_POSITIONS, PositionPage, body=PositionFilter),
    status_code=200,
)
async def search_positions(request: Request[Any, Any, Any]) -> Reply:
    raw = await read_body(request)
    return await listing_of(request, "positions").page(request, _position_body(raw))


@post(
    "/trading/funding-payments",
    opt=reads("Funding payments, the latest first.", FundingPage, body=FundingFilter),
    status_code=200,
)
async def search_funding(request: Request[Any, Any, Any]) -> Reply:
    raw = await read_body(request)
    return await listing_of(request, "funding").page(request, _funding_body(raw))
