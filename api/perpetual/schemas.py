"""The shapes of positions, settings and funding payments on the wire."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from api.schemas import Cursor, Limit, Names, Pagination, Text, Time
from domain.perpetual import LEVERAGE_MAX

Pair = Annotated[str, Meta(min_length=1, max_length=100, pattern=r"^[!-~]+$(?!\n)")]


class LeverageBody(Struct, frozen=True):
    trading_pair: Pair
    leverage: Annotated[int, Meta(ge=1, le=LEVERAGE_MAX)]


class PositionModeBody(Struct, frozen=True):
    position_mode: str


class SettingAnswer(Struct, frozen=True):
    status: Literal["success", "pending"]
    """`pending`: the venue has not answered yet, and is asked again for a minute."""
    message: str


class PositionModeAnswer(Struct, frozen=True, omit_defaults=True):
    position_mode: Literal["HEDGE", "ONEWAY", "UNKNOWN"]
    connector: str
    account: str
    reason: str | None = None
    """Why it is unknown."""


class PositionFilter(Struct, frozen=True):
    limit: Limit = 100
    cursor: Cursor | None = None
    account_names: Names | None = None
    connector_names: Names | None = None


class FundingFilter(PositionFilter, frozen=True):
    start_time: Time | None = None
    end_time: Time | None = None
    trading_pair: Text | None = None


class PositionItem(Struct, frozen=True):
    account_name: str
    connector_name: str
    trading_pair: str
    side: str
    amount: float
    entry_price: float | None
    unrealized_pnl: float | None
    """As it was at `observed_at`."""
    leverage: float | None
    observed_at: str
    """When the venue first showed the position as it is here."""
    checked_at: str | None
    """When the venue was asked last and answered."""
    check_error: str | None
    """Why it could not be asked since; null where it could."""
    difference: float | None
    """The venue's position less what our own fills come to; null where not compared yet."""


class PositionPage(Struct, frozen=True):
    data: list[PositionItem]
    pagination: Pagination


class FundingItem(Struct, frozen=True):
    id: int
    funding_payment_id: str
    timestamp: str
    account_name: str
    connector_name: str
    trading_pair: str
    funding_rate: float | None
    funding_payment: float
    """Below 0 where we paid."""
    fee_currency: str
    position_size: float | None
    position_side: str | None
    exchange_funding_id: str | None


class FundingPage(Struct, frozen=True):
    data: list[FundingItem]
    pagination: Pagination
