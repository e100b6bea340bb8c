"""Bodies and answers of the routes of live feeds. Times are Unix seconds."""

from typing import Annotated

from msgspec import Meta, Struct

from api.market.subscriptions import Connector, Pair


class ActiveFeed(Struct, frozen=True):
    feed_type: str
    last_access_time: float
    seconds_since_access: float
    will_expire_in: float
    config: str
    state: str
    listeners: int
    updates: int


class ActiveFeeds(Struct, frozen=True):
    """By the feed's key, as `order_book_paper_EUR-USD`."""


class TradesAsked(Struct, kw_only=True):
    connector_name: Connector
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100


class TradeRow(Struct, frozen=True):
    timestamp: float
    price: float
    amount: float
    side: str


class RecentTrades(Struct, frozen=True):
    trading_pair: str
    connector: str
    trades: list[TradeRow]
    """Oldest first."""


class FollowBody(Struct, kw_only=True):
    connector_name: Connector
    trading_pair: Pair
    account_name: str | None = None
    timeout: Annotated[float, Meta(ge=1, le=120)] = 30.0


class UnfollowBody(Struct, kw_only=True):
    connector_name: Connector
    trading_pair: Pair
    account_name: str | None = None


class FollowedPair(Struct, frozen=True):
    success: bool
    connector_name: str
    trading_pair: str
    message: str


class BookSeen(Struct, frozen=True):
    state: str
    bids: int
    asks: int
    best_bid: float | None
    best_ask: float | None
    age_seconds: float | None
    """Since the book came."""


class Diagnostics(Struct, frozen=True, kw_only=True):
    connector_type: str
    connector_name: str
    has_order_book_tracker: bool
    tracker_ready: bool
    tasks: dict[str, str]
    trading_pairs: list[str]
    order_books: dict[str, BookSeen]
    metrics: dict[str, int]
    websocket_status: str


class NoDiagnostics(Struct, frozen=True):
    error: str


class Restarted(Struct, frozen=True, omit_defaults=True):
    success: bool
    message: str | None = None
    error: str | None = None
    trading_pairs: list[str] | None = None
