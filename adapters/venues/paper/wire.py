"""What travels between the paper venue and its client, both ways.

Amounts are decimal strings, times integer UTC microseconds. A refusal is 400 with a code and a
text; 5xx says nothing about what was done.
"""

from decimal import Decimal
from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from adapters.venues.port import OrderRequest, OrderType, Side
from domain.amounts import BadAmount, amount

ACCOUNT_HEADER = "X-Paper-Account"
TOKEN_HEADER = "X-Paper-Token"  # noqa: S105 - the header's name
PAGE_MAX = 1_000
DEPTH_MAX = 500
_TIME_MAX = 2**53

ClientOrderId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,36}\Z")]
Pair = Annotated[str, Meta(pattern=r"^[A-Za-z0-9-]{1,40}\Z")]
AccountName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.:@-]{1,64}\Z")]
TimeUs = Annotated[int, Meta(ge=0, le=_TIME_MAX)]


class Refusal(Struct, frozen=True):
    code: str
    text: str


class PlaceBody(Struct, frozen=True, kw_only=True):
    client_order_id: ClientOrderId
    pair: Pair
    side: Side
    order_type: OrderType
    quantity: str
    price: str | None = None
    expires_at_us: TimeUs

    def request(self) -> OrderRequest:
        """Return the order it asks for; raises ValueError for what is no amount."""
        try:
            return OrderRequest(
                client_order_id=self.client_order_id,
                pair=self.pair,
                side=self.side,
                order_type=self.order_type,
                quantity=amount(self.quantity),
                price=None if self.price is None else amount(self.price),
                expires_at_us=self.expires_at_us,
            )
        except (BadAmount, ArithmeticError) as error:
            raise ValueError(f"quantity or price: {error}") from error


class OrderKey(Struct, frozen=True, kw_only=True):
    """Names an order, in a body or in a query."""

    pair: Pair
    client_order_id: ClientOrderId


class PairQuery(Struct, frozen=True, kw_only=True):
    pair: Pair


class TradesQuery(Struct, frozen=True, kw_only=True):
    since: TimeUs = 0
    limit: Annotated[int, Meta(ge=1, le=PAGE_MAX)] = 500


class BookQuery(Struct, frozen=True, kw_only=True):
    pair: Pair
    depth: Annotated[int, Meta(ge=1, le=DEPTH_MAX)] = 10


class PublicTradesQuery(Struct, frozen=True, kw_only=True):
    pair: Pair
    limit: Annotated[int, Meta(ge=1, le=PAGE_MAX)] = 100


class WatchQuery(Struct, frozen=True, kw_only=True):
    pair: Pair
    topics: Annotated[str, Meta(pattern=r"^(book|trades|book,trades|trades,book)\Z")]


class CandlesQuery(Struct, frozen=True, kw_only=True):
    pair: Pair
    interval: Annotated[str, Meta(max_length=8)]
    start_us: TimeUs | None = None
    limit: Annotated[int, Meta(ge=1, le=PAGE_MAX)] = 500


class PriceBody(Struct, frozen=True, kw_only=True):
    """Hold the pair's price; None lets the candles play again."""

    pair: Pair
    price: str | None


class CloseBody(Struct, frozen=True, kw_only=True):
    """Close an open order from the venue's side."""

    account: AccountName
    pair: Pair
    client_order_id: ClientOrderId
    status: Literal["cancelled", "expired"] = "cancelled"
    reason: str = "cancelled by the venue"


class VenueTime(Struct, frozen=True):
    time_us: int


Query = TypeVar("Query", bound=Struct)


def from_query(query: dict[str, str], shape: type[Query]) -> Query:
    """Read a query string strictly; raises msgspec.ValidationError."""
    return msgspec.convert(query, shape, strict=False)


def price_of(text: str | None) -> Decimal | None:
    return None if text is None else amount(text)
