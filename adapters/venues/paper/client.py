"""The paper venue through its HTTP and WebSocket sides: the port `Venue` for one account.

Times are integer UTC microseconds. The surprising thing: requests that change something are POSTs
because the HTTP library quietly sends idempotent methods again when a kept connection turns out
to be closed, and nothing here may be sent twice.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any, TypeVar

import aiohttp
import msgspec
from yarl import URL

from adapters.venues.paper import wire
from adapters.venues.port import (
    Balance,
    Candle,
    OrderBook,
    OrderRequest,
    OrderUpdate,
    StreamConnected,
    Ticker,
    TradeUpdate,
    TradingRule,
    Traits,
    UserUpdate,
    VenueOrder,
    VenueRefused,
    VenueTrade,
    VenueUnreachable,
)

_ANSWER_MAX_BYTES = 8 * 1024 * 1024
_MESSAGE_MAX_BYTES = 64 * 1024
_HEARTBEAT_SECONDS = 10.0
_BACKOFF_SECONDS = (0.05, 5.0)
_OK, _BAD_REQUEST, _NOT_FOUND, _TOO_MANY, _SERVER_ERROR = 200, 400, 404, 429, 500

Answer = TypeVar("Answer")
_encode = msgspec.json.Encoder().encode
_decode_refusal = msgspec.json.Decoder(wire.Refusal).decode
_decode_update = msgspec.json.Decoder(OrderUpdate | TradeUpdate | StreamConnected).decode
_order = msgspec.json.Decoder(VenueOrder)
_orders = msgspec.json.Decoder(tuple[VenueOrder, ...])
_trades = msgspec.json.Decoder(tuple[VenueTrade, ...])
_balances = msgspec.json.Decoder(tuple[Balance, ...])
_rules = msgspec.json.Decoder(tuple[TradingRule, ...])
_ticker = msgspec.json.Decoder(Ticker)
_book = msgspec.json.Decoder(OrderBook)
_candles = msgspec.json.Decoder(tuple[Candle, ...])
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
        self.url = url.rstrip("/")
        self._headers = {wire.ACCOUNT_HEADER: account, "Content-Type": "application/json"}
        if token is not None:
            self._headers[wire.TOKEN_HEADER] = token
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        self._connections_max = connections_max
        self._session: aiohttp.ClientSession | None = None
        self._closed = asyncio.Event()

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
            return await self._get("/order", _order, query)
        except VenueRefused as refusal:
            if refusal.code == "unknown_order":
                return None
            raise

    async def open_orders(self) -> tuple[VenueOrder, ...]:
        return await self._get("/orders/open", _orders)

    async def trades_since(self, sequence: int, limit: int = 500) -> tuple[VenueTrade, ...]:
        return await self._get("/trades", _trades, {"since": str(sequence), "limit": str(limit)})

    async def trades_of(self, pair: str, client_order_id: str) -> tuple[VenueTrade, ...]:
        query = {"pair": pair, "client_order_id": client_order_id}
        return await self._get("/order/trades", _trades, query)

    async def balances(self) -> tuple[Balance, ...]:
        return await self._get("/balances", _balances)

    async def trading_rules(self) -> tuple[TradingRule, ...]:
        return await self._get("/rules", _rules)

    async def ticker(self, pair: str) -> Ticker:
        return await self._get("/ticker", _ticker, {"pair": pair})

    async def order_book(self, pair: str, depth: int = 10) -> OrderBook:
        return await self._get("/book", _book, {"pair": pair, "depth": str(depth)})

    async def candles(
        self, pair: str, interval: str, start_us: int | None = None, limit: int = 500
    ) -> tuple[Candle, ...]:
        query = {"pair": pair, "interval": interval, "limit": str(limit)}
        if start_us is not None:
            query["start_us"] = str(start_us)
        return await self._get("/candles", _candles, query)

    async def time_us(self) -> int:
        return (await self._get("/time", _time)).time_us

    async def updates(self) -> AsyncIterator[UserUpdate]:
        """Yield until `close`; raises VenueRefused when the venue does not let us in."""
        delay, longest = _BACKOFF_SECONDS
        while not self._closed.is_set():
            try:
                async with self._http().ws_connect(
                    f"{self.url}/stream",
                    heartbeat=_HEARTBEAT_SECONDS,
                    max_msg_size=_MESSAGE_MAX_BYTES,
                ) as socket:
                    async for message in socket:
                        update: UserUpdate = _finite(_decode_update(message.data))
                        if isinstance(update, StreamConnected):
                            delay = _BACKOFF_SECONDS[0]
                        yield update
            except aiohttp.WSServerHandshakeError as error:
                if _BAD_REQUEST <= error.status < _SERVER_ERROR and error.status != _TOO_MANY:
                    raise VenueRefused("stream_refused", f"HTTP {error.status}") from error
            except (aiohttp.ClientError, OSError, TimeoutError, TypeError, ValueError):
                pass  # All the same to the caller: the stream broke, and will say so anew.
            try:
                await asyncio.wait_for(self._closed.wait(), delay)
            except TimeoutError:
                delay = min(2 * delay, longest)

    async def close(self) -> None:
        self._closed.set()
        if self._session is not None:
            await self._session.close()

    def _http(self) -> aiohttp.ClientSession:
        """Make the session on first use: it belongs to the loop that runs then."""
        if self._closed.is_set():
            raise VenueUnreachable("this client is closed")
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._connections_max),
                headers=self._headers,
                timeout=self._timeout,
                cookie_jar=aiohttp.DummyCookieJar(),
                skip_auto_headers=("Accept", "Accept-Encoding", "User-Agent"),
                auto_decompress=False,
            )
        return self._session

    async def _post(self, path: str, body: msgspec.Struct) -> VenueOrder:
        return await self._call("POST", path, _order, body=_encode(body))

    async def _get(
        self,
        path: str,
        decoder: msgspec.json.Decoder[Answer],
        query: Mapping[str, str] | None = None,
    ) -> Answer:
        return await self._call("GET", path, decoder, query=query)

    async def _call(
        self,
        method: str,
        path: str,
        decoder: msgspec.json.Decoder[Answer],
        *,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Answer:
        """Send once. Only an answer that decodes, or a 4xx with a code, proves anything."""
        session = self._http()
        try:
            async with session.request(
                method, _address(self.url + path), params=query, data=body, allow_redirects=False
            ) as response:
                status, text = response.status, await _read(response)
            if status == _OK:
                return _finite(decoder.decode(text))
            if not _BAD_REQUEST <= status < _SERVER_ERROR or status == _TOO_MANY:
                raise VenueUnreachable(f"{method} {path}: HTTP {status}")
            refusal = _decode_refusal(text)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError, RuntimeError) as error:
            shown = str(error) or type(error).__name__
            raise VenueUnreachable(f"{method} {path}: {shown}") from error
        raise VenueRefused(refusal.code, refusal.text)


@lru_cache(maxsize=64)
def _address(text: str) -> URL:
    """Parsed once a path: parsing is dear beside the rest of a request."""
    return URL(text, encoded=True)


async def _read(response: aiohttp.ClientResponse) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in response.content.iter_any():
        size += len(part)
        if size > _ANSWER_MAX_BYTES:
            raise ValueError(f"the answer is larger than {_ANSWER_MAX_BYTES} bytes")
        parts.append(part)
    return b"".join(parts)


def _finite(answer: Answer) -> Answer:
    """Return the answer unchanged; raises ValueError for NaN and infinities anywhere in it."""
    pending: list[Any] = [answer]
    while pending:
        part = pending.pop()
        if isinstance(part, Decimal):
            if not part.is_finite():
                raise ValueError(f"{part} is no amount")
        elif isinstance(part, tuple):
            pending.extend(part)
        elif isinstance(part, msgspec.Struct):
            pending.extend(getattr(part, name) for name in part.__struct_fields__)
    return answer
