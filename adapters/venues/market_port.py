"""What anybody may ask a venue: rules, prices, books, trades, candles. No credential is involved.

Units as in port.py. Errors too: VenueUnreachable for no answer, VenueRefused with `not_supported`
for what the venue has not, with `unknown_pair` for a pair that it does not trade.
"""

from collections.abc import AsyncIterator, Collection
from decimal import Decimal
from typing import Literal, Protocol

from msgspec import Struct

from adapters.venues.port import Candle, OrderBook, Side, Ticker, TradingRule

Topic = Literal["book", "trades"]


class PublicTrade(Struct, frozen=True, kw_only=True):
    trade_id: str
    side: Side
    """Of the taker."""
    quantity: Decimal
    price: Decimal
    at_us: int


class FundingInfo(Struct, frozen=True, kw_only=True):
    pair: str
    rate: Decimal | None
    next_at_us: int | None
    mark_price: Decimal | None
    index_price: Decimal | None


class BookUpdate(Struct, frozen=True, tag="book"):
    """The whole book as deep as the stream tells it, never a difference."""

    book: OrderBook


class TradesUpdate(Struct, frozen=True, tag="trades"):
    pair: str
    trades: tuple[PublicTrade, ...]


class FeedConnected(Struct, frozen=True, tag="feed"):
    """First after each (re)connect: what was missed is lost, and the next book is whole."""


class FeedLost(Struct, frozen=True, tag="lost"):
    """The stream broke; until FeedConnected nothing is known. Not every venue can say it."""


MarketUpdate = BookUpdate | TradesUpdate | FeedConnected | FeedLost


class PublicVenue(Protocol):
    name: str
    """The connector's."""
    intervals: tuple[str, ...]
    """Of candles, as `1m`; none where the venue has no candles."""
    is_perpetual: bool

    @property
    def rules_age_seconds(self) -> float:
        """How long ago the venue said what `trading_rules` last answered."""

    async def trading_rules(self) -> tuple[TradingRule, ...]: ...

    async def tickers(self, pairs: Collection[str] | None = None) -> tuple[Ticker, ...]:
        """Of the pairs, or of all that the venue trades; those it does not know are left out."""

    async def order_book(self, pair: str, depth: int = 10) -> OrderBook:
        """At most `depth` levels a side, best first; fewer where the venue tells no more."""

    async def trades(self, pair: str, limit: int = 100) -> tuple[PublicTrade, ...]:
        """The latest, oldest first."""

    async def candles(
        self, pair: str, interval: str, start_us: int | None = None, limit: int = 500
    ) -> tuple[Candle, ...]:
        """From `start_us` on, or the latest; oldest first; the last one may be under way."""

    async def funding_info(self, pair: str) -> FundingInfo: ...

    def watch(self, pair: str, topics: Collection[Topic]) -> AsyncIterator[MarketUpdate]:
        """The public stream of one pair; reconnects by itself and says FeedConnected each time."""

    async def close(self) -> None: ...
