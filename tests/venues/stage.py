"""What a scenario of the contract suite plays on: one account at one venue, and the venue's faults.

A new venue joins the suite with a `House`: how to reach it, what its pair is like, and how its
double is told to misbehave.
"""

import time
from decimal import Decimal
from typing import Literal, Protocol

from msgspec import Struct

from adapters.venues.market_port import PublicVenue
from adapters.venues.port import (
    OrderRequest,
    OrderType,
    PerpetualVenue,
    PositionAction,
    Side,
    Venue,
)

Fault = Literal[
    "lose_ack",  # accepted, then the connection is cut
    "unavailable_after",  # accepted, then a 503
    "unavailable_before",  # a 503, nothing accepted
    "lose_fill",  # the private stream never tells the fill
    "duplicate_fill",  # the private stream tells it twice
]


class Terms(Struct, frozen=True, kw_only=True):
    """A pair of a venue in numbers that the scenarios can use."""

    pair: str
    base: str
    quote: str
    quantity: Decimal
    """Of an ordinary order."""
    low: Decimal
    """A price for a BUY that rests."""
    high: Decimal
    """A price for a SELL that rests."""
    too_much: Decimal
    """A quantity within the rules that no account can pay."""


class House(Protocol):
    """A venue with any number of accounts; each new one holds money in both tokens."""

    terms: Terms

    def private(self, account: str) -> Venue: ...

    def public(self) -> PublicVenue: ...

    async def fault(
        self, account: str, fault: Fault, request: Literal["place", "cancel"] = "place"
    ) -> None:
        """Play the fault once, on the next request or fill of the account."""

    async def cut_streams(self, account: str) -> None:
        """Break the account's private streams; they may come back at once."""

    async def price(self, price: Decimal | None) -> None:
        """Hold the market's price still there; None lets it go."""

    async def pay_funding(self, rate: str) -> None:
        """Pay funding to and from all who hold the perpetual."""


class Scene:
    def __init__(self, house: House, account: str) -> None:
        self.house = house
        self.account = account
        self.terms = house.terms
        self.pair = house.terms.pair
        self.venue = house.private(account)
        self.market = house.public()

    async def close(self) -> None:
        await self.venue.close()
        await self.market.close()

    @property
    def perpetual(self) -> PerpetualVenue:
        assert self.venue.traits.is_perpetual
        return self.venue  # type: ignore[return-value]  # as the port says

    def order(
        self,
        client_order_id: str,
        side: Side = "BUY",
        quantity: Decimal | None = None,
        price: Decimal | None = None,
        order_type: OrderType = "LIMIT",
        *,
        action: PositionAction = "OPEN",
        expires_in_seconds: float = 30.0,
    ) -> OrderRequest:
        """One that rests, unless it is told to be otherwise."""
        resting = self.terms.low if side == "BUY" else self.terms.high
        return OrderRequest(
            client_order_id=client_order_id,
            pair=self.pair,
            side=side,
            order_type=order_type,
            quantity=self.terms.quantity if quantity is None else quantity,
            price=None if order_type == "MARKET" else resting if price is None else price,
            expires_at_us=time.time_ns() // 1_000 + int(expires_in_seconds * 1_000_000),
            position_action=action,
        )

    def taking(
        self, client_order_id: str, side: Side = "BUY", quantity: Decimal | None = None
    ) -> OrderRequest:
        """One that fills at once."""
        return self.order(client_order_id, side, quantity, order_type="MARKET")

    async def fault(self, fault: Fault, request: Literal["place", "cancel"] = "place") -> None:
        await self.house.fault(self.account, fault, request)

    async def cut_streams(self) -> None:
        await self.house.cut_streams(self.account)
