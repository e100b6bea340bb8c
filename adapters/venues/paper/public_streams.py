"""What the venue tells everybody: whole books when they changed, and trades as they happen."""

from collections.abc import Callable, Collection

import msgspec
from aiohttp import web

from adapters.venues.market_port import BookUpdate, FeedConnected, PublicTrade, TradesUpdate
from adapters.venues.paper.streams import Streams
from adapters.venues.port import OrderBook

BOOK_DEPTH = 100
_encode = msgspec.json.Encoder().encode
BookOf = Callable[[str, int], OrderBook]
Levels = tuple[tuple[tuple[object, object], ...], ...]


class PublicStreams:
    def __init__(self, book_of: BookOf) -> None:
        self._book_of = book_of
        self._streams = Streams()
        self._told: dict[str, Levels] = {}

    async def serve(
        self, request: web.Request, pair: str, topics: Collection[str]
    ) -> web.StreamResponse:
        """Speak to one connection: first `feed`, then the whole book if it is wanted."""

        def first() -> list[bytes]:
            said: list[FeedConnected | BookUpdate] = [FeedConnected()]
            if "book" in topics:
                said.append(BookUpdate(self._book_of(pair, BOOK_DEPTH)))
            return [_encode(update) for update in said]

        return await self._streams.serve(request, [_key(pair, topic) for topic in topics], first)

    def step(self, pair: str) -> None:
        """Tell the book, if somebody listens and it is another than was told before."""
        key = _key(pair, "book")
        if not self._streams.has(key):
            self._told.pop(pair, None)
            return
        book = self._book_of(pair, BOOK_DEPTH)
        levels = (book.bids, book.asks)
        if self._told.get(pair) != levels:
            self._told[pair] = levels
            self._streams.send(key, _encode(BookUpdate(book)))

    def traded(self, pair: str, trades: tuple[PublicTrade, ...]) -> None:
        key = _key(pair, "trades")
        if self._streams.has(key):
            self._streams.send(key, _encode(TradesUpdate(pair, trades)))

    def cut_all(self) -> None:
        self._streams.cut_all()


def _key(pair: str, topic: str) -> str:
    return f"{topic}:{pair}"
