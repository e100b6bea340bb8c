"""The shapes of the market data and connector routes; times are float Unix seconds, as the wire's.

Numbers in answers are floats, as the contract has them; sums were exact until then.
"""

from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

from api.schemas import Amount, Name, Time

Pairs = Annotated[list[Name], Meta(min_length=1, max_length=500)]
DepthLimit = Annotated[int, Meta(ge=1, le=1000)]
RecordsLimit = Annotated[int, Meta(ge=1, le=5000)]
Age = Annotated[float, Meta(ge=0, le=86_400)]
ConnectorList = Annotated[
    list[Annotated[str, Meta(pattern=r"^[A-Za-z0-9_,-]{0,2000}$(?!\n)")]], Meta(max_length=70)
]
"""Repeated, or with commas between."""
Interval = Annotated[str, Meta(max_length=8)]


class PairBody(Struct, frozen=True):
    connector_name: Name
    trading_pair: Name


class PricesBody(Struct, frozen=True):
    connector_name: Name
    trading_pairs: Pairs


class RatesBody(Struct, frozen=True):
    trading_pairs: Pairs
    connector: Name | None = None


class BookBody(Struct, frozen=True):
    connector_name: Name
    trading_pair: Name
    depth: DepthLimit = 10


class VolumeBody(Struct, frozen=True):
    connector_name: Name
    trading_pair: Name
    is_buy: bool
    volume: Amount


class QuoteVolumeBody(Struct, frozen=True):
    connector_name: Name
    trading_pair: Name
    is_buy: bool
    quote_volume: Amount


class PriceBody(Struct, frozen=True):
    connector_name: Name
    trading_pair: Name
    is_buy: bool
    price: Amount


class CandlesBody(Struct, frozen=True):
    connector_name: Name
    trading_pair: Name
    interval: Interval = "1m"
    max_records: RecordsLimit = 500


class HistoryBody(Struct, frozen=True):
    connector_name: Name
    trading_pair: Name
    interval: Interval
    start_time: Time
    end_time: Time


class CandlesQuery(Struct, frozen=True):
    connector_name: Name
    interval: Interval = "1m"
    start_time: Time | None = None
    end_time: Time | None = None
    limit: RecordsLimit = 500


class BookQuery(Struct, frozen=True):
    connector_name: Name
    depth: DepthLimit = 10


class TickersQuery(Struct, frozen=True):
    connectors: ConnectorList | None = None
    refresh: bool = False
    max_age: Age | None = None


class TickerQuery(Struct, frozen=True):
    connector_name: Name | None = None


class RateQuery(Struct, frozen=True):
    connector: Name | None = None


class RulesQuery(Struct, frozen=True):
    trading_pairs: Annotated[list[Name], Meta(max_length=500)] | None = None


class Prices(Struct, frozen=True):
    connector: str
    prices: dict[str, float]
    timestamp: float
    unknown: list[str]
    """Pairs that the venue does not trade."""


class PooledTicker(Struct, frozen=True):
    price: float
    base_volume: float | None
    quote_volume: float | None
    timestamp: float


class TickerPool(Struct, frozen=True):
    tickers: dict[str, dict[str, PooledTicker]]
    counts: dict[str, int]
    updated_at: dict[str, float | None]
    errors: dict[str, str]


class PairTicker(Struct, frozen=True):
    trading_pair: str
    connector: str
    price: float
    bid: float | None
    ask: float | None
    base_volume: float | None
    quote_volume: float | None
    timestamp: float


class Rates(Struct, frozen=True):
    quote_token: str
    connector: str | None
    rates: dict[str, float | None]


class Rate(Struct, frozen=True):
    trading_pair: str
    rate: float | None
    quote_token: str
    connector: str | None


class Funding(Struct, frozen=True):
    trading_pair: str
    funding_rate: float | None
    next_funding_time: float | None
    mark_price: float | None
    index_price: float | None


class Level(Struct, frozen=True):
    price: float
    amount: float


class Book(Struct, frozen=True):
    trading_pair: str
    bids: list[Level]
    asks: list[Level]
    timestamp: float
    """When the venue showed it so."""


class BookAnswer(Struct, frozen=True, kw_only=True):
    trading_pair: str
    is_buy: bool
    query_volume: float | None = None
    query_price: float | None = None
    result_price: float | None = None
    """Null where the book as far as it was told does not hold the volume."""
    result_volume: float | None = None
    result_quote_volume: float | None = None
    average_price: float | None = None
    """Null as `result_price`."""
    timestamp: float
    query_quote_volume: float | None = None
    is_partial: bool
    """The book as far as it was told ends before the volume or the price that was asked for."""


class PoolPrices(Struct, frozen=True):
    quote_token: str
    prices_count: int
    prices: dict[str, float]


class MarketSettings(Struct, frozen=True):
    cleanup_interval: float
    feed_timeout: float
    description: str


class OrderTypes(Struct, frozen=True):
    connector: str
    supported_order_types: list[str]


class RuleItem(Struct, frozen=True):
    """All fields but `error`; for a pair that is not traded `error` alone."""

    min_order_size: float | UnsetType = UNSET
    max_order_size: float | UnsetType = UNSET
    min_price_increment: float | UnsetType = UNSET
    min_base_amount_increment: float | UnsetType = UNSET
    min_quote_amount_increment: float | UnsetType = UNSET
    min_notional_size: float | UnsetType = UNSET
    min_order_value: float | UnsetType = UNSET
    max_price_significant_digits: float | UnsetType = UNSET
    supports_limit_orders: bool | UnsetType = UNSET
    supports_market_orders: bool | UnsetType = UNSET
    buy_order_collateral_token: str | UnsetType = UNSET
    sell_order_collateral_token: str | UnsetType = UNSET
    error: str | UnsetType = UNSET


class ConfigField(Struct, frozen=True, omit_defaults=True):
    type: str
    required: bool
    allowed_values: list[Any] | None = None


class ConnectorItem(Struct, frozen=True):
    name: str
    is_perpetual: bool
    supported_order_types: list[str]
    config_map: dict[str, ConfigField]
    is_served: bool
    """Whether there is a venue behind it here."""


class ConnectorMarkets(Struct, frozen=True):
    connector: str
    trading_pairs: list[str]
    count: int
    age_seconds: float
    """Since the venue was asked."""
