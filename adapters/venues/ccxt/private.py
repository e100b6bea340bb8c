"""A real venue for one account: the port `Venue` over ccxt.

The surprising thing: an order's own client order id is remembered beside the venue's number,
because trades tell only the number at most venues, and a venue that takes short ids shows a
shortened one.
"""

import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Any

from adapters.settings import Settings
from adapters.venues.ccxt import (
    binance_account,
    binance_stream,
    looking,
    paging,
    pro_stream,
    reading,
    rules,
)
from adapters.venues.ccxt.calling import Line, Market
from adapters.venues.ccxt.errors import Operation
from adapters.venues.ccxt.making import Exchange
from adapters.venues.ccxt.turns import asking
from adapters.venues.ccxt.venues import MANNERS, id_pattern, is_reversible, to_ours, to_theirs
from adapters.venues.port import (
    Access,
    Balance,
    OrderRequest,
    TradePage,
    Traits,
    UserUpdate,
    VenueOrder,
    VenueRefused,
    VenueTrade,
)

_REMEMBERED_MAX = 20_000
_WINDOW_MAX_MS = 60_000


class CcxtVenue:
    def __init__(self, settings: Settings, name: str, credential: Mapping[str, str]) -> None:
        self.line = Line(settings, name, credential)
        ccxt = self.line.connector.ccxt
        if ccxt is None:
            raise ValueError(f"{name} has no counterpart in ccxt.")
        self.manner = MANNERS[ccxt.id]
        self.traits = Traits(
            name=name,
            has_request_expiry=self.manner.has_request_expiry,
            lookup_lag_us=self.manner.lookup_lag_us,
            clock_skew_max_us=self.manner.clock_skew_max_us,
            client_order_id_pattern=f"^{id_pattern(self.manner).pattern}$",
            client_order_id_length_max=self.manner.id_length_max,
            is_perpetual=self.line.connector.is_perpetual,
            has_user_stream={"watchOrders", "watchMyTrades"} <= ccxt.has_stream,
            position_modes=self.line.connector.position_modes,
        )
        self.is_binance = ccxt.id in ("binance", "binanceusdm")
        self._ours: OrderedDict[str, str] = OrderedDict()
        """From the venue's form of a client order id to ours, where it cannot be read back."""
        self._names: OrderedDict[tuple[str, str], str] = OrderedDict()
        """From pair and the venue's number of an order to our client order id."""
        self.pairs: set[str] = set()
        """Those that anybody has asked about."""

    async def place(self, request: OrderRequest) -> VenueOrder:
        async def act(exchange: Exchange) -> VenueOrder:
            market = self.line.market(request.pair)
            rule = self.line.rule(market)
            if rule is None:
                raise VenueRefused("not_tradable", f"the steps of {request.pair} are not known")
            rules.check(rule, request)
            theirs = self.theirs(request.client_order_id)
            parameters = {"clientOrderId": theirs} | await self.terms(exchange, request)
            wait_seconds, expiry = self._expiry(exchange, request.expires_at_us)
            with asking("order", wait_seconds=wait_seconds):
                found = await exchange.create_order(
                    market["symbol"],
                    "market" if request.order_type == "MARKET" else "limit",
                    request.side.lower(),
                    str(request.quantity / reading.size_of(market)),
                    None if request.order_type == "MARKET" else str(request.price),
                    parameters | expiry,
                )
            return self._placed(found, market, request)

        return await self.line.call("place", act)

    async def terms(self, _exchange: Exchange, request: OrderRequest) -> dict[str, Any]:
        """What the order's kind adds to the request."""
        return {"postOnly": True} if request.order_type == "LIMIT_MAKER" else {}

    def _expiry(self, exchange: Exchange, expires_at_us: int) -> tuple[float, dict[str, Any]]:
        """For how many seconds the request may wait, and what it says of that.

        Binance: it dies when the venue's clock passes timestamp + recvWindow. Signed before it
        waits for the rate limit, so that waiting cannot prolong its life.
        """
        ends_at_the_venue = self.manner.has_request_expiry
        now_ms = exchange.nonce() if ends_at_the_venue else time.time_ns() // 1_000_000
        window_ms = expires_at_us // 1000 - now_ms
        if window_ms <= 0:
            raise VenueRefused("request_expired", f"{-window_ms} ms too late to be sent")
        told = {"timestamp": now_ms, "recvWindow": min(window_ms, _WINDOW_MAX_MS)}
        return window_ms / 1000, told if ends_at_the_venue else {}

    def _placed(
        self, found: Mapping[str, Any], market: Market, request: OrderRequest
    ) -> VenueOrder:
        """The order as the answer tells it; many venues answer a number and nothing else."""
        if found.get("status") is not None and found.get("amount") is not None:
            return self.known(found, market, request.client_order_id)
        number = reading.number_of_order(found)
        self._remember(request.pair, number, request.client_order_id)
        now_us = reading.micros(found.get("timestamp")) or time.time_ns() // 1000
        return VenueOrder(
            client_order_id=request.client_order_id,
            exchange_order_id=number,
            pair=request.pair,
            side=request.side,
            order_type=request.order_type,
            quantity=request.quantity,
            price=request.price,
            status="open",
            filled_quantity=Decimal(0),
            created_at_us=now_us,
            updated_at_us=now_us,
        )

    async def cancel(self, pair: str, client_order_id: str) -> VenueOrder:
        async def act(exchange: Exchange) -> VenueOrder | None:
            market = self.line.market(pair)
            if "cancel" in self.manner.by_client_id:
                number, parameters = None, {"clientOrderId": self.theirs(client_order_id)}
            else:
                seen = await looking.order(self, exchange, market, client_order_id)
                if seen is None or seen["status"] not in ("open", None):
                    return None if seen is None else self.known(seen, market, client_order_id)
                number, parameters = str(seen["id"]), {}
            with asking("cancel"):
                found = await exchange.cancel_order(number, market["symbol"], parameters)
            if found.get("amount") is None or found.get("status") in (None, "open"):
                return None
            return self.known(found, market, client_order_id)

        try:
            answer = await self.line.call("cancel", act)
        except VenueRefused as refusal:
            if refusal.code != "unknown_order":
                raise
            answer = None
        answer = answer or await self.order(pair, client_order_id)
        if answer is None:
            raise VenueRefused("unknown_order", f"there is no order {client_order_id}")
        return answer

    async def order(self, pair: str, client_order_id: str) -> VenueOrder | None:
        async def act(exchange: Exchange) -> VenueOrder | None:
            market = self.line.market(pair)
            found = await looking.order(self, exchange, market, client_order_id)
            return None if found is None else self.known(found, market, client_order_id)

        try:
            return await self.line.call("lookup", act)
        except VenueRefused as refusal:
            if refusal.code == "unknown_order":
                return None
            raise

    async def open_orders(self) -> tuple[VenueOrder, ...]:
        """Where it must be, pair by pair of those heard of here, each in a call of its own."""
        found = await self.line.call("lookup", partial(looking.all_open, venue=self))
        if found is None:
            markets = [self.line.markets[pair] for pair in self.pairs if pair in self.line.markets]
            asks = [partial(looking.open_of, venue=self, market=market) for market in markets]
            found = [order for ask in asks for order in await self.line.call("lookup", ask)]
        return tuple(found)

    async def trades_since(
        self, cursor: str | None, pairs: Sequence[str], /, limit: int = 500
    ) -> TradePage:
        self.pairs.update(pairs)
        return await paging.trades_since(self, cursor, pairs, limit)

    async def trades_of(self, pair: str, client_order_id: str) -> tuple[VenueTrade, ...]:
        seen = await self.order(pair, client_order_id)
        if seen is None:
            return ()
        return await self.line.call(
            "lookup", lambda exchange: paging.trades_of(self, exchange, seen)
        )

    async def balances(self) -> tuple[Balance, ...]:
        return await self._balances("other")

    async def _balances(self, operation: Operation) -> tuple[Balance, ...]:
        async def act(exchange: Exchange) -> tuple[Balance, ...]:
            return reading.balances(await exchange.fetch_balance())

        return await self.line.call(operation, act)

    async def access(self) -> Access:
        if self.is_binance:
            return await self.line.call(
                "access", lambda exchange: binance_account.access(exchange, self.traits)
            )
        await self._balances("access")
        return Access(can_trade=None, can_withdraw=None)

    async def time_us(self) -> int:
        async def act(exchange: Exchange) -> int:
            if not exchange.has.get("fetchTime"):
                return time.time_ns() // 1000
            return reading.micros(await exchange.fetch_time())

        return await self.line.call("other", act)

    def expect(self, client_order_ids: Sequence[str]) -> None:
        for name in client_order_ids:
            self.theirs(name)

    def updates(self) -> AsyncIterator[UserUpdate]:
        if self.is_binance:
            return binance_stream.updates(self)
        return pro_stream.updates(self)

    async def close(self) -> None:
        await self.line.close()

    def known(
        self, found: Mapping[str, Any], market: Market, client_order_id: str | None = None
    ) -> VenueOrder:
        """Read an order, and remember whose number it has.

        Told which order was asked for, its own id counts for nothing: the answer to a cancel shows
        the id of the cancel.
        """
        name = client_order_id or self.ours(str(found.get("clientOrderId") or ""))
        self._remember(reading.pair_of(market), reading.number_of_order(found), name)
        return reading.order(found, market, name)

    def theirs(self, client_order_id: str) -> str:
        theirs = to_theirs(self.manner, client_order_id)
        if not is_reversible(self.manner, client_order_id):
            _put(self._ours, theirs, client_order_id)
        return theirs

    def ours(self, theirs: str) -> str:
        """Of a short form that was never sent from here, the short form."""
        return self._ours.get(theirs) or to_ours(self.manner, theirs)

    def number_of(self, pair: str, client_order_id: str) -> str | None:
        for (known_pair, number), name in reversed(self._names.items()):
            if name == client_order_id and known_pair == pair:
                return number
        return None

    def name_of(self, pair: str, number: str) -> str | None:
        """Our client order id of an order by the venue's number; "" where it has none."""
        return self._names.get((pair, number))

    def _remember(self, pair: str, number: str, client_order_id: str) -> None:
        self.pairs.add(pair)
        _put(self._names, (pair, number), client_order_id)

    def remember(self, pair: str, number: str, theirs: str) -> str:
        name = self.ours(theirs)
        self._remember(pair, number, name)
        return name


def _put(memory: OrderedDict[Any, str], key: object, value: str) -> None:
    memory[key] = value
    memory.move_to_end(key)
    while len(memory) > _REMEMBERED_MAX:
        memory.popitem(last=False)
