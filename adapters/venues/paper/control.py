"""Routes for tests, there only when the venue was started in test mode.

They script faults, show the whole ledger, hold the price still and close orders from the venue's
side. They answer also while the venue is down by a fault.
"""

import msgspec
from aiohttp import web

from adapters.venues.paper import wire
from adapters.venues.paper.faults import FaultRule
from adapters.venues.paper.floor import Floor
from adapters.venues.paper.routes import answer

_decode_faults = msgspec.json.Decoder(list[FaultRule]).decode
_decode_price = msgspec.json.Decoder(wire.PriceBody).decode
_decode_close = msgspec.json.Decoder(wire.CloseBody).decode

PREFIX = "/test/"


class Control:
    def __init__(self, floor: Floor) -> None:
        self._floor = floor

    def table(self) -> list[web.RouteDef]:
        return [
            web.get("/test/faults", self.faults),
            web.post("/test/faults", self.add_faults),
            web.delete("/test/faults", self.clear_faults),
            web.get("/test/ledger", self.ledger),
            web.post("/test/price", self.price),
            web.post("/test/expire", self.expire),
        ]

    async def faults(self, _: web.Request) -> web.StreamResponse:
        return answer(self._floor.faults.seen())

    async def add_faults(self, request: web.Request) -> web.StreamResponse:
        self._floor.faults.add(_decode_faults(await request.read()))
        if self._floor.faults.is_down:
            self._floor.cut_streams()
        return answer(self._floor.faults.seen())

    async def clear_faults(self, _: web.Request) -> web.StreamResponse:
        self._floor.faults.clear()
        return answer(self._floor.faults.seen())

    async def ledger(self, _: web.Request) -> web.StreamResponse:
        return answer(await self._floor.ledger())

    async def price(self, request: web.Request) -> web.StreamResponse:
        body = _decode_price(await request.read())
        return answer(await self._floor.set_price(body.pair, wire.price_of(body.price)))

    async def expire(self, request: web.Request) -> web.StreamResponse:
        body = _decode_close(await request.read())
        order = await self._floor.close_order(
            body.account, body.pair, body.client_order_id, body.status, body.reason
        )
        return answer(order)
