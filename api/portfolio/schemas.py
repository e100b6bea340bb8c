"""The shapes of the portfolio on the wire; figures are JSON numbers with all their digits."""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from api.portfolio.returns import Figures
from api.schemas import Cursor, Limit, Names, Time

Interval = Literal["5m", "15m", "30m", "1h", "4h", "12h", "1d"]
SECONDS_OF: dict[str, int] = {
    "5m": 300,
    "15m": 900,
    "30m": 1_800,
    "1h": 3_600,
    "4h": 14_400,
    "12h": 43_200,
    "1d": 86_400,
}


class Filter(Struct, frozen=True):
    account_names: Names | None = None
    connector_names: Names | None = None


class StateFilter(Filter, frozen=True):
    skip_gateway: bool = False
    """Passed over: no Gateway is asked yet."""
    refresh: bool = False
    """Ask the venues first."""


class HistoryFilter(Filter, frozen=True):
    limit: Limit = 100
    cursor: Cursor | None = None
    start_time: Time | None = None
    end_time: Time | None = None
    interval: Interval | None = "5m"


class PerformanceFilter(Filter, frozen=True):
    start_time: Time | None = None
    end_time: Time | None = None
    interval: Interval | None = "1h"


class TokenRow(Struct, frozen=True):
    token: str
    units: float
    price: float | None
    """Null where no market told it."""
    available_units: float
    value: float | UnsetType = UNSET
    """Not there without a price: such a token is in no sum."""
    is_stale: bool | UnsetType = UNSET
    """True where the venue was silent and this is what it told before."""


State = dict[str, dict[str, list[TokenRow]]]
"""By account and connector."""


class TokenTotal(Struct, frozen=True):
    token: str
    units: float
    price: float | None
    """The average of the accounts' prices, by units; null where there is none."""
    value: float | None
    available_units: float
    unpriced_units: float | UnsetType = UNSET
    """Those of `units` that have no price and are not in `value`."""


class Balances(Struct, frozen=True):
    total_value: float
    balances: list[TokenTotal]
    accounts: State
    quotes: list[str]
    """What values are in."""
    unpriced: list[str]
    """Tokens of which some or all units are in no sum, because no market told a price."""


class ConnectorShare(Struct, frozen=True):
    value: float
    units: float


class AccountShare(Struct, frozen=True):
    value: float
    units: float
    percentage: float
    connectors: dict[str, ConnectorShare]


class TokenShare(Struct, frozen=True):
    token: str
    total_value: float
    total_units: float
    percentage: float
    accounts: dict[str, AccountShare]


class Part(Struct, frozen=True):
    value: float
    percentage: float


class Distribution(Struct, frozen=True):
    """Percentages are of the whole; priced tokens only."""

    total_portfolio_value: float
    token_count: int
    distribution: list[TokenShare]
    account_filter: str
    tokens: dict[str, Part]
    quotes: list[str]
    unpriced: list[str]


class AccountPart(Struct, frozen=True):
    account: str
    total_value: float
    percentage: float
    connectors: dict[str, Part]


class AccountsDistribution(Struct, frozen=True):
    """Percentages are of the whole."""

    total_portfolio_value: float
    account_count: int
    distribution: list[AccountPart]
    quotes: list[str]
    unpriced: list[str]


class HistoryEntry(Struct, frozen=True):
    timestamp: Annotated[str, Meta(description="The minute of the entry's last snapshot.")]
    state: State


class HistoryFilters(Struct, frozen=True):
    account_names: list[str] | None
    connector_names: list[str] | None
    start_time: int | None
    end_time: int | None
    interval: str


class HistoryPagination(Struct, frozen=True):
    limit: int
    has_more: bool
    next_cursor: str | None
    current_cursor: str | None
    filters: HistoryFilters


class HistoryPage(Struct, frozen=True):
    data: list[HistoryEntry]
    pagination: HistoryPagination


class PerformancePoint(Struct, frozen=True):
    timestamp: Annotated[str, Meta(description="Where the interval begins.")]
    value: Annotated[float, Meta(description="At the interval's end.")]


class Performance(Figures, frozen=True, kw_only=True):
    """`start_time` and `end_time` are those of the series; null where there is no snapshot."""

    start_time: str | None
    end_time: str | None
    by_account: dict[str, Figures]
    series: list[PerformancePoint]
    basis: str
    unpriced: list[str]
    """Tokens that had no price in some snapshot of the range."""
