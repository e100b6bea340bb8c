"""Who hears what: market streams by name, user streams by account.

User messages go out at once, in order. Books are looked at `_FLUSH_SECONDS` after a change, so
that a burst is one difference; what has a rhythm of its own comes every second.
"""

import asyncio
from collections import deque
from typing import Any

import msgspec
from aiohttp import web

from tests.doubles.binance import market_messages, user_messages
from tests.doubles.binance.candles import INTERVALS_MS
from tests.doubles.binance.exchange import MARKETS, Exchange
from tests.doubles.binance.records import OrderEvent, PublicTrade, UserEvent
from tests.doubles.binance.symbols import SYMBOLS, Market

_FLUSH_SECONDS = 0.02
_RHYTHM_SECONDS = 1.0
_WAITING_MAX = 200_000
_encode = msgspec.json.Encoder(decimal_format="string").encode


class Connection:
    """One WebSocket and what waits to be sent on it; one that reads too slowly is cut off."""

    def __init__(self, socket: web.WebSocketResponse, transport: asyncio.Transport) -> None:
        self.market: Market = "spot"
        self.is_api = False
        self.is_combined = False
        self.streams: set[tuple[Market, str]] = set()
        self.account = ""
        self.subscription: int | None = None
        """Number of the spot user stream on this WebSocket-API connection."""
        self.transport = transport
        self._socket = socket
        self._waiting: deque[bytes] = deque()
        self._wake = asyncio.Event()

    def send(self, message: Any) -> None:
        if len(self._waiting) >= _WAITING_MAX:
            self.transport.abort()
            return
        self._waiting.append(_encode(message))
        self._wake.set()

    async def run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                await self._socket.send_frame(self._waiting.popleft(), web.WSMsgType.TEXT)


class Hub:
    def __init__(self, exchange: Exchange) -> None:
        self.connections: set[Connection] = set()
        self.users: dict[tuple[Market, str], set[Connection]] = {}
        self._streams: dict[tuple[Market, str], set[Connection]] = {}
        self._exchange = exchange
        self._flush_at: asyncio.TimerHandle | None = None
        self._rhythm: asyncio.Task[None] | None = None
        exchange.publish = self.publish
        exchange.publish_books = self.publish_books

    def subscribe(self, connection: Connection, market: Market, stream: str) -> None:
        connection.streams.add((market, stream))
        self._streams.setdefault((market, stream), set()).add(connection)
        if self._rhythm is None:
            self._rhythm = asyncio.get_running_loop().create_task(self._beat())

    def unsubscribe(self, connection: Connection, market: Market, stream: str) -> None:
        connection.streams.discard((market, stream))
        self._streams.get((market, stream), set()).discard(connection)

    def forget(self, connection: Connection) -> None:
        self.connections.discard(connection)
        for market, stream in tuple(connection.streams):
            self.unsubscribe(connection, market, stream)
        for listeners in self.users.values():
            listeners.discard(connection)

    def publish(self, market: Market, events: list[UserEvent], trades: list[PublicTrade]) -> None:
        now_ms = self._exchange.now_ms()
        for event in events:
            self._tell_user(market, event, now_ms)
        for trade in trades:
            stream = trade.symbol.lower()
            if self._is_heard(market, f"{stream}@trade"):
                message = market_messages.trade(market, trade, now_ms)
                self._tell(market, f"{stream}@trade", message)
            if self._is_heard(market, f"{stream}@aggTrade"):
                message = market_messages.aggregate_trade(market, trade, now_ms)
                self._tell(market, f"{stream}@aggTrade", message)
        if self._flush_at is None:
            loop = asyncio.get_running_loop()
            self._flush_at = loop.call_later(_FLUSH_SECONDS, self.publish_books)

    def publish_books(self) -> None:
        if self._flush_at is not None:
            self._flush_at.cancel()
            self._flush_at = None
        now_ms = self._exchange.now_ms()
        for market in MARKETS:
            for name, book in self._exchange.engines[market].books.items():
                delta = book.take_delta()
                if not delta["BUY"] and not delta["SELL"]:
                    continue
                message = market_messages.depth_update(market, book, delta, now_ms)
                stream = name.lower()
                for speed in ("", "@100ms", "@250ms", "@500ms", "@1000ms"):
                    self._tell(market, f"{stream}@depth{speed}", message)
                self._tell_partial(market, name, now_ms)
                for heard in (f"{stream}@bookTicker", "!bookTicker"):
                    if self._is_heard(market, heard):
                        best = market_messages.book_ticker(self._exchange, market, name, now_ms)
                        self._tell(market, heard, best)

    def _tell_user(self, market: Market, event: UserEvent, now_ms: int) -> None:
        if isinstance(event, OrderEvent):
            account, execution = event.order.account, str(event.execution)
            client_order_id = event.order.client_order_id
        else:
            account, execution, client_order_id = event.account, "", ""
        listeners = self.users.get((market, account))
        if not listeners:
            return
        if isinstance(event, OrderEvent):
            message = user_messages.order_message(event, now_ms)
        else:
            message = user_messages.holdings_message(event, now_ms)
        faults = self._exchange.faults
        for told in faults.on_message(account, message, execution, client_order_id):
            for connection in listeners:
                self.send_user(connection, told)

    @staticmethod
    def send_user(connection: Connection, message: dict[str, Any]) -> None:
        if connection.subscription is not None:
            connection.send({"subscriptionId": connection.subscription, "event": message})
        else:
            connection.send(message)

    def _tell(self, market: Market, stream: str, message: Any) -> None:
        for connection in self._streams.get((market, stream), ()):
            if connection.is_combined:
                connection.send({"stream": stream, "data": message})
            else:
                connection.send(message)

    def _tell_partial(self, market: Market, name: str, now_ms: int) -> None:
        book = self._exchange.engines[market].books[name]
        for depth in market_messages.PARTIAL_DEPTHS:
            for speed in ("", "@100ms", "@250ms", "@500ms", "@1000ms"):
                stream = f"{name.lower()}@depth{depth}{speed}"
                if self._is_heard(market, stream):
                    message = market_messages.partial_depth(market, book, depth, now_ms)
                    self._tell(market, stream, message)

    def _is_heard(self, market: Market, stream: str) -> bool:
        return bool(self._streams.get((market, stream)))

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(_RHYTHM_SECONDS)
            for market in MARKETS:
                self._tell_rhythm(market, self._exchange.now_ms())

    def _tell_rhythm(self, market: Market, now_ms: int) -> None:
        exchange, say = self._exchange, market_messages
        tickers, mini_tickers, marks = [], [], []
        for name in SYMBOLS[market]:
            stream = name.lower()
            self._tell_partial(market, name, now_ms)
            for interval in INTERVALS_MS:
                if self._is_heard(market, f"{stream}@kline_{interval}"):
                    row = say.kline(exchange, market, name, interval, now_ms)
                    self._tell(market, f"{stream}@kline_{interval}", row)
            if self._is_heard(market, f"{stream}@ticker") or self._is_heard(market, "!ticker@arr"):
                tickers.append(say.ticker(exchange, market, name, now_ms))
                self._tell(market, f"{stream}@ticker", tickers[-1])
            if self._is_heard(market, f"{stream}@miniTicker") or self._is_heard(
                market, "!miniTicker@arr"
            ):
                mini_tickers.append(say.mini_ticker(exchange, market, name, now_ms))
                self._tell(market, f"{stream}@miniTicker", mini_tickers[-1])
            if market == "futures":
                marks.append(say.mark_price(exchange, name, now_ms))
                for speed in ("", "@1s"):
                    self._tell(market, f"{stream}@markPrice{speed}", marks[-1])
        for stream, rows in (
            ("!ticker@arr", tickers),
            ("!miniTicker@arr", mini_tickers),
            ("!markPrice@arr", marks),
            ("!markPrice@arr@1s", marks),
        ):
            if rows:
                self._tell(market, stream, rows)
