"""The paper venue through its HTTP and WebSocket sides: the port `Venue` for one account.

Times are integer UTC microseconds.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence

import aiohttp
import msgspec

from adapters.venues.paper import wire
from adapters.venues.paper.calling import Caller, finite
from adapters.venues.port import (
    Access,
    Balance,
    OrderRequest,
    OrderUpdate,
    StreamConnected,
    TradePage,
    TradeUpdate,
    Traits,
    UserUpdate,
    VenueOrder,
    VenueRefused,
    VenueTrade,
)

_MESSAGE_MAX_BYTES = 64 * 1024
_HEARTBEAT_SECONDS = 10.0
_BACKOFF_SECONDS = (0.05, 5.0)
_BAD_REQUEST, _TOO_MANY, _SERVER_ERROR = 400, 429, 500

_encode = msgspec.json.Encoder().encode
_decode_update = msgspec.json.Decoder(OrderUpdate | TradeUpdate | StreamConnected).decode
_order = msgspec.json.Decoder(VenueOrder)
_orders = msgspec.json.Decoder(tuple[VenueOrder, ...])
_trades = msgspec.json.Decoder(tuple[VenueTrade, ...])
_balances = msgspec.json.Decoder(tuple[Balance, ...])
_time = msgspec.json.Decoder(wire.VenueTime)


class PaperVenue:
    def __init__(
        self,
        url: str,
        account: str,
        *,
        token: str | None = None,
        timeout_seconds: float = 5.0,
        connections_max: int = 100,
        lookup_lag_us: int = 0,
    ) -> None:
        """Lookups wait for what was accepted before them, so the lag is 0 without a fault.

        The clock skew is 0 because both sides read the clock of one machine.
        """
        self.traits = Traits(
            name="paper",
            has_request_expiry=True,
            lookup_lag_us=lookup_lag_us,
            clock_skew_max_us=0,
            client_order_id_pattern="^[A-Za-z0-9_-]+$",
            client_order_id_length_max=36,
        )
        self._caller = Caller(
            url,
            account,
            token=token,
            timeout_seconds=timeout_seconds,
            connections_max=connections_max,
        )

    async def place(self, request: OrderRequest) -> VenueOrder:
        body = wire.PlaceBody(
            client_order_id=request.client_order_id,
            pair=request.pair,
            side=request.side,
            order_type=request.order_type,
            quantity=str(request.quantity),
            price=None if request.price is None else str(request.price),
            expires_at_us=request.expires_at_us,
        )
        return await self._post("/orders", body)

    async def cancel(self, pair: str, client_order_id: str) -> VenueOrder:
        key = wire.OrderKey(pair=pair, client_order_id=client_order_id)
        return await self._post("/orders/cancel", key)

    async def order(self, pair: str, client_order_id: str) -> VenueOrder | None:
        query = {"pair": pair, "client_order_id": client_order_id}
        try:
            return await self._caller.get("/order", _order, query)
        except VenueRefused as refusal:
            if refusal.code == "unknown_order":
                return None
            raise

    async def open_orders(self) -> tuple[VenueOrder, ...]:
        return await self._caller.get("/orders/open", _orders)

    async def trades_since(
        self, cursor: str | None, _pairs: Sequence[str] = (), limit: int = 500
    ) -> TradePage:
        """One sequence goes through all pairs of an account; the cursor is its last number."""
        since = cursor or "0"
        trades = await self._caller.get("/trades", _trades, {"since": since, "limit": str(limit)})
        reached = str(trades[-1].sequence) if trades else since
        return TradePage(trades=trades, cursor=reached, has_more=len(trades) == limit)

    async def trades_of(self, pair: str, client_order_id: str) -> tuple[VenueTrade, ...]:
        query = {"pair": pair, "client_order_id": client_order_id}
        return await self._caller.get("/order/trades", _trades, query)

    async def balances(self) -> tuple[Balance, ...]:
        return await self._caller.get("/balances", _balances)

    async def access(self) -> Access:
        await self.balances()
        return Access(can_trade=True, can_withdraw=False)

    async def time_us(self) -> int:
        return (await self._caller.get("/time", _time)).time_us

    def expect(self, client_order_ids: Sequence[str]) -> None:
        """Names come back as they were sent."""

    async def updates(self) -> AsyncIterator[UserUpdate]:
        """Yield until `close`; raises VenueRefused when the venue does not let us in."""
        delay, longest = _BACKOFF_SECONDS
        while not self._caller.closed.is_set():
            try:
                async with self._caller.http().ws_connect(
                    f"{self._caller.url}/stream",
                    heartbeat=_HEARTBEAT_SECONDS,
                    max_msg_size=_MESSAGE_MAX_BYTES,
                ) as socket:
                    async for message in socket:
                        update: UserUpdate = finite(_decode_update(message.data))
                        if isinstance(update, StreamConnected):
                            delay = _BACKOFF_SECONDS[0]
                        yield update
            except aiohttp.WSServerHandshakeError as error:
                if _BAD_REQUEST <= error.status < _SERVER_ERROR and error.status != _TOO_MANY:
                    raise VenueRefused("stream_refused", f"HTTP {error.status}") from error
            except (aiohttp.ClientError, OSError, TimeoutError, TypeError, ValueError):
                pass  # All the same to the caller: the stream broke, and will say so anew.
            try:
                async with asyncio.timeout(delay):
                    await self._caller.closed.wait()
            except TimeoutError:
                delay = min(2 * delay, longest)

    async def close(self) -> None:
        await self._caller.close()

    async def _post(self, path: str, body: msgspec.Struct) -> VenueOrder:
        return await self._caller.call("POST", path, _order, body=_encode(body))
