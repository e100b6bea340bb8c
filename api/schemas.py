"""The shapes of the wire: what requests may hold and what answers hold.

They decode requests, and the OpenAPI document is made of them. Amounts in requests are JSON numbers
or strings and are kept as the text that was sent; in rows they are JSON numbers with all digits.
"""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Raw, Struct, UnsetType, field

from api.http.decoding import NAME
from domain.order_messages import OrderType, PositionAction, Side

Name = Annotated[str, Meta(pattern=NAME)]
_AMOUNT_TEXT = r"^[0-9]{1,18}(\.[0-9]{1,18})?$"
_AMOUNT: dict[str, Any] = {
    "anyOf": [
        {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1e18},
        {"type": "string", "pattern": _AMOUNT_TEXT},
    ]
}
Amount = Annotated[Raw, Meta(description="Above 0, exact.", extra_json_schema=_AMOUNT)]
NoAmount = Annotated[Raw, Meta(extra_json_schema={"anyOf": [*_AMOUNT["anyOf"], {"type": "null"}]})]
Text = Annotated[str, Meta(max_length=200, pattern=r"^[ -~]*$(?!\n)")]
Names = Annotated[list[Text], Meta(max_length=1000)]
Limit = Annotated[int, Meta(ge=1, le=1000)]
Cursor = Annotated[str, Meta(max_length=400)]
Time = Annotated[
    int, Meta(ge=0, le=10**14, description="Unix seconds; milliseconds from 100000000000 on.")
]
Position = Annotated[int, Meta(ge=0, le=2**63 - 1)]
WireStatus = Literal[
    "SUBMITTED",
    "OPEN",
    "PARTIALLY_FILLED",
    "PENDING_CANCEL",
    "FILLED",
    "CANCELLED",
    "FAILED",
]


class PlaceOrderBody(Struct, frozen=True):
    """Fields that are not named here are passed over: clients of other versions send some."""

    account_name: Name
    connector_name: Name
    trading_pair: Name
    trade_type: Side
    amount: Amount
    order_type: OrderType = "LIMIT"
    price: NoAmount = field(default_factory=lambda: Raw(b"null"))
    position_action: PositionAction = "OPEN"


class PlacedOrder(Struct, frozen=True):
    order_id: str
    account_name: str
    connector_name: str
    trading_pair: str
    trade_type: str
    amount: str
    order_type: str
    price: str | None
    status: str = "submitted"
    order_status: str | UnsetType = UNSET
    """The order's status after `Prefer: wait`; not there without it."""


class Message(Struct, frozen=True):
    message: str


class DryRun(Struct, frozen=True):
    events: list[dict[str, Any]]
    dry_run: bool = True


class ActiveFilter(Struct, frozen=True):
    limit: Limit = 100
    cursor: Cursor | None = None
    account_names: Names | None = None
    connector_names: Names | None = None
    trading_pairs: Names | None = None


class OrderFilter(ActiveFilter, frozen=True):
    start_time: Time | None = None
    end_time: Time | None = None
    status: WireStatus | None = None


class TradeFilter(ActiveFilter, frozen=True):
    start_time: Time | None = None
    end_time: Time | None = None
    trade_types: list[Side] | None = None


class Pagination(Struct, frozen=True):
    limit: int
    has_more: bool
    next_cursor: str | None
    total_count: int
    """With the same filters; counts no further than 100000 and may be 2 s old when large."""


class OrderItem(Struct, frozen=True):
    order_id: str
    account_name: str
    connector_name: str
    trading_pair: str
    trade_type: str
    order_type: str
    amount: float
    price: float | None
    status: WireStatus
    filled_amount: float
    average_fill_price: float | None
    fee_paid: float | None
    fee_currency: str | None
    created_at: str
    updated_at: str
    exchange_order_id: str | None
    error_message: str | None
    outcome: str
    unknown_seconds: float | None
    fees: dict[str, float]


class TradeItem(Struct, frozen=True):
    trade_id: str
    order_id: str | None
    account_name: str | None
    connector_name: str | None
    trading_pair: str
    trade_type: str
    amount: float
    price: float
    fee_paid: float
    fee_currency: str | None
    timestamp: str


class OrderPage(Struct, frozen=True):
    data: list[OrderItem]
    pagination: Pagination


class TradePage(Struct, frozen=True):
    data: list[TradeItem]
    pagination: Pagination


class ErrorEntry(Struct, frozen=True):
    type: str
    loc: list[str]
    msg: str
    input: Any = None


class Problem(Struct, frozen=True):
    detail: str | list[ErrorEntry]
    code: str | UnsetType = UNSET


class NewKey(Struct, frozen=True):
    name: Annotated[str, Meta(min_length=1, max_length=100, pattern=r"^[ -~]*$(?!\n)")]
    scopes: Annotated[
        list[Literal["read", "trade", "admin", "analyse"]], Meta(min_length=1, max_length=4)
    ]
    expires_at: Time | None = None


class KeyItem(Struct, frozen=True):
    key_id: str
    name: str
    scopes: list[str]
    created_at: str | None
    expires_at: str | None
    revoked_at: str | None


class CreatedKey(Struct, frozen=True):
    key_id: str
    name: str
    scopes: list[str]
    expires_at: str | None
    token: str | None
    """`Authorization: Bearer <token>`. Shown once: null when the request is sent again."""


class KeyList(Struct, frozen=True):
    data: list[KeyItem]
