"""Order books and what they say about prices of volumes and volumes at prices."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
from litestar import Request, get, post
from litestar.params import FromPath

from adapters.venues.port import OrderBook
from api.http.body_and_headers import read_body
from api.http.decoding import Body, Query
from api.market import depth
from api.market.answers import asked, named, number, positive
from api.market.depth import Depth
from api.market.schemas import (
    Book,
    BookAnswer,
    BookBody,
    BookQuery,
    Level,
    PriceBody,
    QuoteVolumeBody,
    VolumeBody,
)
from api.openapi import Operation
from api.reply import Reply

_encode = msgspec.json.Encoder().encode
_book_body = Body(BookBody)
_book_query = Query(BookQuery)
_volume_body = Body(VolumeBody)
_quote_volume_body = Body(QuoteVolumeBody)
_price_body = Body(PriceBody)
_US = 1_000_000
_VENUE = (400, 404, 502)


def _question(summary: str, body: type[msgspec.Struct]) -> dict[str, Any]:
    operation = Operation(summary, {200: BookAnswer}, body=body, errors=_VENUE)
    return {"scope": "read", "operation": operation}


@post(
    "/market-data/order-book",
    opt={
        "scope": "read",
        "operation": Operation("An order book.", {200: Book}, body=BookBody, errors=_VENUE),
    },
    status_code=200,
)
async def order_book(request: Request[Any, Any, Any]) -> Reply:
    body: BookBody = _book_body(await read_body(request))
    return await _book(request, body.connector_name, body.trading_pair, body.depth)


@get(
    "/market-data/orderbook/{pair:str}",
    opt={
        "scope": "read",
        "operation": Operation("An order book.", {200: Book}, query=BookQuery, errors=_VENUE),
    },
)
async def pair_order_book(request: Request[Any, Any, Any], pair: FromPath[str]) -> Reply:
    query: BookQuery = _book_query(request)
    return await _book(request, query.connector_name, named(pair, "pair"), query.depth)


@post(
    "/market-data/order-book/price-for-volume",
    opt=_question("The worst price at which a volume can be had at once.", VolumeBody),
    status_code=200,
)
async def price_for_volume(request: Request[Any, Any, Any]) -> Reply:
    body: VolumeBody = _volume_body(await read_body(request))
    volume = positive(body.volume, "volume")
    return await _measure(request, body, depth.price_for_volume, volume, "query_volume")


@post(
    "/market-data/order-book/volume-for-price",
    opt=_question("How much can be had at a price or better.", PriceBody),
    status_code=200,
)
async def volume_for_price(request: Request[Any, Any, Any]) -> Reply:
    body: PriceBody = _price_body(await read_body(request))
    price = positive(body.price, "price")
    return await _measure(request, body, depth.volume_for_price, price, "query_price")


@post(
    "/market-data/order-book/price-for-quote-volume",
    opt=_question("The worst price at which a volume in quote units can be had.", QuoteVolumeBody),
    status_code=200,
)
async def price_for_quote_volume(request: Request[Any, Any, Any]) -> Reply:
    body: QuoteVolumeBody = _quote_volume_body(await read_body(request))
    volume = positive(body.quote_volume, "quote_volume")
    look = depth.price_for_quote_volume
    return await _measure(request, body, look, volume, "query_quote_volume")


@post(
    "/market-data/order-book/quote-volume-for-price",
    opt=_question("How much, in quote units, can be had at a price or better.", PriceBody),
    status_code=200,
)
async def quote_volume_for_price(request: Request[Any, Any, Any]) -> Reply:
    body: PriceBody = _price_body(await read_body(request))
    price = positive(body.price, "price")
    return await _measure(request, body, depth.quote_volume_for_price, price, "query_price")


@post(
    "/market-data/order-book/vwap-for-volume",
    opt=_question("The average price of a volume that is had at once.", VolumeBody),
    status_code=200,
)
async def vwap_for_volume(request: Request[Any, Any, Any]) -> Reply:
    body: VolumeBody = _volume_body(await read_body(request))
    volume = positive(body.volume, "volume")
    return await _measure(request, body, depth.vwap_for_volume, volume, "query_volume")


async def _book(request: Request[Any, Any, Any], connector: str, pair: str, levels: int) -> Reply:
    async with asked(request, "book", connector) as quotes:
        found = await quotes.books.book(connector, pair, levels)
    shown = Book(pair, _levels(found.bids), _levels(found.asks), found.at_us / _US)
    return Reply(_encode(shown))


def _levels(side: tuple[tuple[Decimal, Decimal], ...]) -> list[Level]:
    return [Level(float(price), float(amount)) for price, amount in side]


async def _measure(
    request: Request[Any, Any, Any],
    body: VolumeBody | QuoteVolumeBody | PriceBody,
    question: Callable[..., Depth],
    wanted: Decimal,
    name: str,
) -> Reply:
    def look(book: OrderBook) -> Depth:
        return question(book, wanted, is_buy=body.is_buy)

    async with asked(request, question.__name__, body.connector_name) as quotes:
        found, book = await quotes.books.measure(body.connector_name, body.trading_pair, look)
    shown = BookAnswer(
        trading_pair=body.trading_pair,
        is_buy=body.is_buy,
        result_price=number(found.price),
        result_volume=number(found.volume),
        result_quote_volume=number(found.quote_volume),
        average_price=number(found.average_price),
        timestamp=book.at_us / _US,
        is_partial=found.is_partial,
        **{name: float(wanted)},
    )
    return Reply(_encode(shown))
