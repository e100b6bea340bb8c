"""The venue's HTTP handlers, one for each call of the port: decode, ask the floor, answer.

Placing and cancelling meet the fault script here, before and after they reach the floor.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Literal

import msgspec
from aiohttp import web

from adapters.venues.paper import wire
from adapters.venues.paper.faults import BEFORE, FaultRule
from adapters.venues.paper.floor import Floor, now_us
from adapters.venues.paper.ledger import RequestRow
from adapters.venues.port import VenueOrder, VenueRefused

_HANG_STEP_SECONDS = 0.05
_encode = msgspec.json.Encoder().encode
_decode_place = msgspec.json.Decoder(wire.PlaceBody).decode
_decode_key = msgspec.json.Decoder(wire.OrderKey).decode
_Act = Callable[[], Awaitable[VenueOrder]]


def answer(value: object, status: int = 200) -> web.Response:
    return web.Response(body=_encode(value), status=status, content_type="application/json")


def account_of(request: web.Request) -> str:
    name = request.headers.get(wire.ACCOUNT_HEADER, "")
    try:
        return msgspec.convert(name, wire.AccountName)
    except msgspec.ValidationError as error:
        raise VenueRefused("bad_account", f"header {wire.ACCOUNT_HEADER}: {error}") from error


class Routes:
    """One handler per call of the port."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor

    def table(self) -> list[web.RouteDef]:
        return [
            web.post("/orders", self.place),
            web.post("/orders/cancel", self.cancel),
            web.get("/order", self.order, allow_head=False),
            web.get("/orders/open", self.open_orders, allow_head=False),
            web.get("/trades", self.trades_since, allow_head=False),
            web.get("/order/trades", self.trades_of, allow_head=False),
            web.get("/balances", self.balances, allow_head=False),
            web.get("/rules", self.trading_rules, allow_head=False),
            web.get("/ticker", self.ticker, allow_head=False),
            web.get("/book", self.order_book, allow_head=False),
            web.get("/candles", self.candles, allow_head=False),
            web.get("/public/trades", self.public_trades, allow_head=False),
            web.get("/public/stream", self.public_stream, allow_head=False),
            web.get("/time", self.time_us, allow_head=False),
            web.get("/stream", self.stream, allow_head=False),
        ]

    async def place(self, request: web.Request) -> web.StreamResponse:
        account = account_of(request)
        asked = _decode_place(await request.read()).request()
        key = wire.OrderKey(pair=asked.pair, client_order_id=asked.client_order_id)
        return await self._faulted(
            request, "place", account, key, lambda: self._floor.place(account, asked)
        )

    async def cancel(self, request: web.Request) -> web.StreamResponse:
        account = account_of(request)
        key = _decode_key(await request.read())
        return await self._faulted(
            request,
            "cancel",
            account,
            key,
            lambda: self._floor.cancel(account, key.pair, key.client_order_id),
        )

    async def order(self, request: web.Request) -> web.StreamResponse:
        key = wire.from_query(dict(request.query), wire.OrderKey)
        order = await self._floor.order(account_of(request), key.pair, key.client_order_id)
        if order is None:
            refusal = wire.Refusal("unknown_order", f"no order {key.client_order_id}")
            return answer(refusal, status=404)
        return answer(order)

    async def open_orders(self, request: web.Request) -> web.StreamResponse:
        return answer(await self._floor.open_orders(account_of(request)))

    async def trades_since(self, request: web.Request) -> web.StreamResponse:
        query = wire.from_query(dict(request.query), wire.TradesQuery)
        account = account_of(request)
        return answer(await self._floor.trades_since(account, query.since, query.limit))

    async def trades_of(self, request: web.Request) -> web.StreamResponse:
        key = wire.from_query(dict(request.query), wire.OrderKey)
        account = account_of(request)
        return answer(await self._floor.trades_of(account, key.pair, key.client_order_id))

    async def balances(self, request: web.Request) -> web.StreamResponse:
        return answer(await self._floor.balances(account_of(request)))

    async def trading_rules(self, _: web.Request) -> web.StreamResponse:
        return answer(self._floor.trading_rules())

    async def ticker(self, request: web.Request) -> web.StreamResponse:
        query = wire.from_query(dict(request.query), wire.PairQuery)
        return answer(self._floor.ticker(query.pair))

    async def order_book(self, request: web.Request) -> web.StreamResponse:
        query = wire.from_query(dict(request.query), wire.BookQuery)
        return answer(self._floor.order_book(query.pair, query.depth))

    async def candles(self, request: web.Request) -> web.StreamResponse:
        query = wire.from_query(dict(request.query), wire.CandlesQuery)
        found = self._floor.candles(query.pair, query.interval, query.start_us, query.limit)
        return answer(found)

    async def time_us(self, _: web.Request) -> web.StreamResponse:
        return answer(wire.VenueTime(now_us()))

    async def stream(self, request: web.Request) -> web.StreamResponse:
        return await self._floor.streams.serve_account(request, account_of(request))

    async def public_trades(self, request: web.Request) -> web.StreamResponse:
        query = wire.from_query(dict(request.query), wire.PublicTradesQuery)
        return answer(self._floor.public_trades(query.pair, query.limit))

    async def public_stream(self, request: web.Request) -> web.StreamResponse:
        query = wire.from_query(dict(request.query), wire.WatchQuery)
        self._floor.order_book(query.pair, 1)  # Refuses a pair that there is not.
        topics = query.topics.split(",")
        return await self._floor.public_streams.serve(request, query.pair, topics)

    async def _faulted(
        self,
        request: web.Request,
        kind: Literal["place", "cancel"],
        account: str,
        key: wire.OrderKey,
        act: _Act,
    ) -> web.StreamResponse:
        """Act and answer, unless the fault script has other plans for this request."""
        rule = self._floor.faults.on_request(kind, key.client_order_id)
        if rule is not None and rule.kind in BEFORE:
            outcome = f"fault:{rule.kind}"
            await self._floor.note_fault(
                RequestRow(now_us(), account, kind, key.pair, key.client_order_id, outcome)
            )
            if rule.kind == "reject":
                raise VenueRefused(rule.code, rule.text)
            if rule.kind == "down":
                self._floor.cut_streams()
            return unavailable()
        try:
            done = answer(await act())
        except VenueRefused as refusal:
            if rule is None:
                raise
            done = refused(refusal)
        return done if rule is None else await _spoil(request, rule, done)


async def _spoil(
    request: web.Request, rule: FaultRule, done: web.StreamResponse
) -> web.StreamResponse:
    """Deal with the answer to a request that has taken effect, as the rule says."""
    match rule.kind:
        case "delay_ack":
            await asyncio.sleep(rule.seconds)
        case "lose_ack":
            if request.transport is not None:
                request.transport.abort()
        case "hang_ack":
            # aiohttp has no event for "the client went away".
            while request.transport is not None and not request.transport.is_closing():  # noqa: ASYNC110
                await asyncio.sleep(_HANG_STEP_SECONDS)
        case _:
            return unavailable()
    return done


def unavailable() -> web.Response:
    return answer(wire.Refusal("unavailable", "the venue is unavailable"), status=503)


def refused(refusal: VenueRefused) -> web.Response:
    return answer(wire.Refusal(refusal.code, refusal.text), status=400)
