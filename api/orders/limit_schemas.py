"""The shapes of what stops trading: limits, kill switches, and the closing of positions.

A misspelt field is refused: without it the request would mean more than was asked for, all of a
position, all accounts, no limit.
"""

from typing import Annotated, Literal

from msgspec import Meta, Raw, Struct, field

from api.schemas import Name, NoAmount, Text
from domain.order_messages import PositionSide, Side

Count = Annotated[int, Meta(ge=0, le=1_000_000_000)]
_NULL = Raw(b"null")


class LimitsBody(Struct, frozen=True, forbid_unknown_fields=True):
    notional_per_order: NoAmount = field(default_factory=lambda: _NULL)
    open_orders: Count | None = None
    orders_per_minute: Count | None = None


class SetLimitsAnswer(Struct, frozen=True):
    account_name: str
    notional_per_order: float | None
    open_orders: int | None
    orders_per_minute: int | None


class LimitsState(SetLimitsAnswer, frozen=True):
    open_orders_now: int
    orders_this_minute: int
    set_by: str | None
    set_at: str | None


class SwitchBody(Struct, frozen=True, forbid_unknown_fields=True):
    account_name: Name | None = None
    """Null for all accounts."""
    reason: Text = ""


class SwitchAnswer(Struct, frozen=True):
    account_name: str | None
    is_engaged: bool
    message: str


class SwitchState(Struct, frozen=True):
    account_name: str | None
    """Null for the switch of all accounts."""
    is_engaged: bool
    reason: str
    since: str | None
    by: str | None
    """Who engaged or lifted it last."""
    live_orders: int
    """Those that are not closed yet: while the switch is engaged they are being cancelled."""


class SwitchList(Struct, frozen=True):
    data: list[SwitchState]


class CloseBody(Struct, frozen=True, forbid_unknown_fields=True):
    account_name: Name
    connector_name: Name
    trading_pair: Name
    position_side: PositionSide | None = None
    amount: NoAmount = field(default_factory=lambda: _NULL)
    order_type: Literal["MARKET", "LIMIT"] = "MARKET"
    price: NoAmount = field(default_factory=lambda: _NULL)


class ClosingOrder(Struct, frozen=True):
    order_id: str
    account_name: str
    connector_name: str
    trading_pair: str
    side: Side
    amount: str
    status: str = "submitted"
