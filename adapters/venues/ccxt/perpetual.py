"""A venue of perpetuals for one account: the port `PerpetualVenue` over ccxt.

CLOSE only ever makes a position smaller: reduce-only in one-way mode, the opposite position side
in hedge mode, where the venue itself lets an order reduce nothing but its own side.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import msgspec

from adapters.settings import Settings
from adapters.venues.ccxt import reading
from adapters.venues.ccxt.calling import Market
from adapters.venues.ccxt.making import Exchange
from adapters.venues.ccxt.paging import Place
from adapters.venues.ccxt.private import CcxtVenue
from adapters.venues.port import (
    FundingPage,
    FundingPayment,
    OrderRequest,
    Position,
    PositionMode,
    VenueRefused,
)

_BEGINNING_MS = 30 * 24 * 3600 * 1000
_PAGE_MAX = 500
_decode = msgspec.json.Decoder(dict[str, Place]).decode
_encode = msgspec.json.Encoder(order="deterministic").encode


class CcxtPerpetualVenue(CcxtVenue):
    def __init__(self, settings: Settings, name: str, credential: Mapping[str, str]) -> None:
        super().__init__(settings, name, credential)
        self._mode: PositionMode | None = None
        """As last heard or, at a venue that cannot be asked, as last set from here.

        Anybody may change it at the venue, which then refuses our orders.
        """
        self._asking_mode = asyncio.Lock()
        """Held by the one who asks for all: at Binance the answer costs as much as seven orders."""

    async def place(self, request: OrderRequest) -> Any:
        try:
            return await super().place(request)
        except VenueRefused as refusal:
            if refusal.code in ("position_mode_mismatch", "reduce_only_rejected"):
                self._mode = None
            raise

    async def terms(self, exchange: Exchange, request: OrderRequest) -> dict[str, Any]:
        async with self._asking_mode:
            if self._mode is None:
                can_ask = exchange.has.get("fetchPositionMode")
                self._mode = await self._ask_mode(exchange) if can_ask else "ONEWAY"
        terms = await super().terms(exchange, request)
        if request.position_action == "CLOSE":
            terms["reduceOnly"] = True
        if self._mode == "HEDGE":
            terms["hedged"] = True
        return terms

    async def positions(self) -> tuple[Position, ...]:
        async def act(exchange: Exchange) -> tuple[Position, ...]:
            read = (
                reading.position(found, market)
                for found in await exchange.fetch_positions()
                if (market := self.line.market_by_symbol(found["symbol"])) is not None
            )
            return tuple(position for position in read if position is not None)

        return await self.line.call("other", act)

    async def set_leverage(self, pair: str, leverage: int) -> None:
        async def act(exchange: Exchange) -> None:
            market = self.line.market(pair)
            if not exchange.has.get("setLeverage"):
                raise _not_here(self.traits.name, "setting the leverage")
            await exchange.set_leverage(leverage, market["symbol"])

        try:
            await self._unless_so_already(act)
        except VenueRefused as refusal:
            if refusal.code == "bad_request":  # ccxt judges some leverages itself.
                raise VenueRefused("bad_leverage", refusal.text) from None
            raise

    async def position_mode(self) -> PositionMode:
        mode = await self.line.call("other", self._ask_mode)
        self._mode = mode
        return mode

    async def _ask_mode(self, exchange: Exchange) -> PositionMode:
        if self.traits.position_modes == ("ONEWAY",):
            return "ONEWAY"
        if not exchange.has.get("fetchPositionMode"):
            raise _not_here(self.traits.name, "asking for the position mode")
        symbol = next(iter(self.line.markets.values()))["symbol"]
        return "HEDGE" if (await exchange.fetch_position_mode(symbol))["hedged"] else "ONEWAY"

    async def set_position_mode(self, mode: PositionMode) -> None:
        async def act(exchange: Exchange) -> None:
            if mode not in self.traits.position_modes or not exchange.has.get("setPositionMode"):
                raise _not_here(self.traits.name, f"the position mode {mode}")
            await exchange.set_position_mode(mode == "HEDGE")

        if self.traits.position_modes == (mode,):
            return
        self._mode = None
        await self._unless_so_already(act)
        self._mode = mode

    async def _unless_so_already(self, act: Any) -> None:
        try:
            await self.line.call("other", act)
        except VenueRefused as refusal:
            if refusal.code != "no_change":
                raise

    async def funding_payments(
        self, cursor: str | None, pairs: Sequence[str], limit: int = 500
    ) -> FundingPage:
        """Pages by time; the beginning is 30 days ago. Each pair is a call of its own."""
        places = {} if cursor is None else _decode(cursor)
        for pair in pairs:
            places.setdefault(pair, Place(since_ms=time.time_ns() // 1_000_000 - _BEGINNING_MS))
        told: list[FundingPayment] = []
        has_more = False
        await self.line.call("other", self._tells_funding)
        for pair in sorted(places):
            market, place = self.line.markets.get(pair), places[pair]
            if market is None:
                continue
            read = await self.line.call("other", partial(_paid, market=market, place=place))
            fresh = [one for one in read if one.payment_id not in place.told]
            room = limit - len(told)
            for one in fresh[:room]:
                if one.paid_at_us // 1000 > place.since_ms:
                    place.since_ms, place.told = one.paid_at_us // 1000, []
                place.told.append(one.payment_id)
            told += fresh[:room]
            has_more = has_more or bool(fresh)  # As pages of trades by time.
        return FundingPage(payments=tuple(told), cursor=_encode(places).decode(), has_more=has_more)

    async def _tells_funding(self, exchange: Exchange) -> None:
        if not exchange.has.get("fetchFundingHistory"):
            raise _not_here(self.traits.name, "telling funding payments")


async def _paid(exchange: Exchange, market: Market, place: Place) -> list[FundingPayment]:
    """A page of a pair's payments, oldest first."""
    found = await exchange.fetch_funding_history(market["symbol"], place.since_ms, _PAGE_MAX)
    return sorted((reading.funding(one, market) for one in found), key=lambda one: one.paid_at_us)


def _not_here(name: str, what: str) -> VenueRefused:
    return VenueRefused("not_supported", f"{what} is not possible at {name} through ccxt")
