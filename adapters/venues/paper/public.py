"""The paper venue's public side: the port `PublicVenue`."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection

import aiohttp
import msgspec

from adapters.venues.market_port import (
    BookUpdate,
    FeedConnected,
    FeedLost,
    FundingInfo,
    MarketUpdate,
    PublicTrade,
    Topic,
    TradesUpdate,
)
from adapters.venues.paper.calling import Caller, finite
from adapters.venues.paper.market import INTERVALS_US
from adapters.venues.port import (
    Candle,
    OrderBook,
    Ticker,
    TradingRule,
    VenueRefused,
    VenueUnreachable,
)

_rules = msgspec.json.Decoder(tuple[TradingRule, ...])
_ticker = msgspec.json.Decoder(Ticker)
_book = msgspec.json.Decoder(OrderBook)
_candles = msgspec.json.Decoder(tuple[Candle, ...])
_trades = msgspec.json.Decoder(tuple[PublicTrade, ...])
_decode_update = msgspec.json.Decoder(BookUpdate | TradesUpdate | FeedConnected).decode
_MESSAGE_MAX_BYTES = 1024 * 1024
_HEARTBEAT_SECONDS = 10.0
_BAD_REQUEST, _TOO_MANY, _SERVER_ERROR = 400, 429, 500
_BACKOFF_SECONDS = (0.05, 5.0)
_NOBODY = "market-data"


class PaperMarket:
    name = "paper"
    intervals = tuple(INTERVALS_US)
    is_perpetual = False

    def __init__(self, url: str, *, token: str | None = None, timeout_seconds: float = 5.0) -> None:
        """The venue wants an account's name of everybody: ours here is nobody's."""
        self._caller = Caller(url, _NOBODY, token=token, timeout_seconds=timeout_seconds)

    @property
    def rules_age_seconds(self) -> float:
        return 0.0

    async def trading_rules(self) -> tuple[TradingRule, ...]:
        return await self._caller.get("/rules", _rules)

    async def tickers(self, pairs: Collection[str] | None = None) -> tuple[Ticker, ...]:
        if pairs is None:
            pairs = [rule.pair for rule in await self.trading_rules()]
        found = [await self._known(pair) for pair in pairs]
        return tuple(ticker for ticker in found if ticker is not None)

    async def _known(self, pair: str) -> Ticker | None:
        try:
            return await self._caller.get("/ticker", _ticker, {"pair": pair})
        except VenueRefused as refusal:
            if refusal.code == "unknown_pair":
                return None
            raise

    async def order_book(self, pair: str, depth: int = 10) -> OrderBook:
        return await self._caller.get("/book", _book, {"pair": pair, "depth": str(depth)})

    async def trades(self, pair: str, limit: int = 100) -> tuple[PublicTrade, ...]:
        return await self._caller.get(
            "/public/trades", _trades, {"pair": pair, "limit": str(limit)}
        )

    async def candles(
        self, pair: str, interval: str, start_us: int | None = None, limit: int = 500
    ) -> tuple[Candle, ...]:
        query = {"pair": pair, "interval": interval, "limit": str(limit)}
        if start_us is not None:
            query["start_us"] = str(start_us)
        return await self._caller.get("/candles", _candles, query)

    async def funding_info(self, pair: str) -> FundingInfo:
        raise VenueRefused("not_supported", f"{pair} is traded on the spot: there is no funding")

    async def watch(self, pair: str, topics: Collection[Topic]) -> AsyncIterator[MarketUpdate]:
        """Yield until `close`; raises VenueRefused for what the venue will never show."""
        query = {"pair": pair, "topics": ",".join(sorted(topics))}
        delay, longest = _BACKOFF_SECONDS
        while not self._caller.closed.is_set():
            try:
                async with self._caller.http().ws_connect(
                    f"{self._caller.url}/public/stream",
                    params=query,
                    heartbeat=_HEARTBEAT_SECONDS,
                    max_msg_size=_MESSAGE_MAX_BYTES,
                ) as socket:
                    async for message in socket:
                        update: MarketUpdate = finite(_decode_update(message.data))
                        if isinstance(update, FeedConnected):
                            delay = _BACKOFF_SECONDS[0]
                        yield update
            except aiohttp.WSServerHandshakeError as error:
                await self._raise_refusal(pair, error)
            except (aiohttp.ClientError, OSError, TimeoutError, TypeError, ValueError):
                pass  # All the same to the caller: the stream broke.
            if delay == _BACKOFF_SECONDS[0]:  # It is said once, not at every attempt.
                yield FeedLost()
            try:
                async with asyncio.timeout(delay):
                    await self._caller.closed.wait()
            except TimeoutError:
                delay = min(2 * delay, longest)

    async def _raise_refusal(self, pair: str, error: aiohttp.WSServerHandshakeError) -> None:
        """The answer to a handshake carries no text, so the venue is asked again in another way."""
        if not _BAD_REQUEST <= error.status < _SERVER_ERROR or error.status == _TOO_MANY:
            return
        with contextlib.suppress(VenueUnreachable):
            await self.order_book(pair, 1)
            raise VenueRefused("stream_refused", f"HTTP {error.status}") from error

    async def close(self) -> None:
        await self._caller.close()
