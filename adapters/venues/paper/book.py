"""The order book of one pair: users' resting orders merged with the synthetic levels.

Prices are in ticks, quantities in base units. Better prices come first; at one price users come
before the synthetic level (which is always the youngest), and older user orders before younger.
"""

import heapq
from bisect import bisect_left, insort
from collections import OrderedDict
from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

from msgspec import Struct

from adapters.venues.paper.liquidity import Liquidity
from adapters.venues.paper.settings import PairTerms
from adapters.venues.port import OrderType, Side, VenueOrder, VenueStatus


class Order(Struct, kw_only=True):
    """An order while the engine holds it. `ticks` is None for MARKET orders."""

    number: int
    account: str
    client_order_id: str
    pair: str
    side: Side
    order_type: OrderType
    quantity: Decimal
    price: Decimal | None
    ticks: int | None
    remaining: Decimal
    locked: Decimal
    created_at_us: int
    updated_at_us: int
    status: VenueStatus = "open"
    reason: str | None = None

    def seen(self) -> VenueOrder:
        return VenueOrder(
            client_order_id=self.client_order_id,
            exchange_order_id=str(self.number),
            pair=self.pair,
            side=self.side,
            order_type=self.order_type,
            quantity=self.quantity,
            price=self.price,
            status=self.status,
            filled_quantity=self.quantity - self.remaining,
            created_at_us=self.created_at_us,
            updated_at_us=self.updated_at_us,
            reason=self.reason,
        )


class Offer(NamedTuple):
    """What a taker can take next; `order` is None when the synthetic level offers it."""

    ticks: int
    quantity: Decimal
    order: Order | None


def opposite(side: Side) -> Side:
    return "SELL" if side == "BUY" else "BUY"


def reaches(side: Side, ticks: int | None, other: int) -> bool:
    """Whether an order of `side` limited to `ticks` accepts the price `other`."""
    if ticks is None:
        return True
    return ticks >= other if side == "BUY" else ticks <= other


class Ladder:
    """One side of users' resting orders, in priority order."""

    def __init__(self, side: Side) -> None:
        self._sign = 1 if side == "SELL" else -1
        self._keys: list[int] = []
        self._queues: dict[int, OrderedDict[int, Order]] = {}

    def add(self, ticks: int, order: Order) -> None:
        key = ticks * self._sign
        queue = self._queues.get(key)
        if queue is None:
            queue = self._queues[key] = OrderedDict()
            insort(self._keys, key)
        queue[order.number] = order

    def discard(self, order: Order) -> None:
        """Take the order away, if it rests here."""
        if order.ticks is None:
            return
        key = order.ticks * self._sign
        queue = self._queues.get(key)
        if queue is None or queue.pop(order.number, None) is None:
            return
        if not queue:
            del self._queues[key]
            del self._keys[bisect_left(self._keys, key)]

    def offers(self) -> Iterator[Offer]:
        for key in self._keys:
            for order in self._queues[key].values():
                yield Offer(key * self._sign, order.remaining, order)


class Book:
    def __init__(self, terms: PairTerms) -> None:
        self.terms = terms
        self.rule = terms.rule
        self.liquidity = Liquidity(terms)
        self._ladders: dict[Side, Ladder] = {"BUY": Ladder("BUY"), "SELL": Ladder("SELL")}

    def rest(self, ticks: int, order: Order) -> None:
        self._ladders[order.side].add(ticks, order)

    def discard(self, order: Order) -> None:
        self._ladders[order.side].discard(order)

    def best_order(self, side: Side) -> Order | None:
        offer = next(self._ladders[side].offers(), None)
        return offer.order if offer else None

    def offers(self, side: Side) -> Iterator[Offer]:
        """Everything that rests on `side`, best first."""
        sign = 1 if side == "SELL" else -1
        synthetic = (Offer(ticks, free, None) for ticks, free in self.liquidity.levels(side))
        return heapq.merge(
            self._ladders[side].offers(),
            synthetic,
            key=lambda offer: (offer.ticks * sign, offer.order is None),
        )

    def levels(self, side: Side, depth: int) -> tuple[tuple[Decimal, Decimal], ...]:
        """Price and total quantity of the best `depth` prices of `side`."""
        totals: dict[int, Decimal] = {}
        for offer in self.offers(side):
            if offer.ticks not in totals and len(totals) == depth:
                break
            totals[offer.ticks] = totals.get(offer.ticks, Decimal(0)) + offer.quantity
        return tuple((ticks * self.rule.tick, total) for ticks, total in totals.items())
