"""What a client wants: orders placed and cancelled, each under an idempotency key of its own."""

import itertools
import random
from collections.abc import Iterator
from decimal import Decimal
from typing import Literal

from msgspec import Struct

from commands.request import client_order_id_of, command_id_of

ACTOR = "user:admin"
ACCOUNT, CONNECTOR, PAIR = "master_account", "paper", "EUR-USD"
LOW, HIGH = Decimal("0.9"), Decimal("1.5")
"""Far below and far above every price of the venue's candles."""


class Ground(Struct, frozen=True):
    """Where orders go, and prices at which they surely rest or surely trade."""

    account: str
    connector: str
    pair: str
    low: Decimal
    high: Decimal
    quantity: Decimal


PAPER = Ground(ACCOUNT, CONNECTOR, PAIR, LOW, HIGH, Decimal(10))
BINANCE = Ground(ACCOUNT, "binance", "BTC-USDT", Decimal(30_000), Decimal(90_000), Decimal("0.001"))


class Place(Struct, frozen=True, tag="place"):
    key: str
    side: Literal["BUY", "SELL"] = "BUY"
    order_type: Literal["LIMIT", "MARKET"] = "LIMIT"
    quantity: Decimal = Decimal(10)
    price: Decimal | None = LOW

    @property
    def order(self) -> str:
        """The client order id that it will have."""
        return client_order_id_of(command_id_of(ACTOR, self.key))


class Cancel(Struct, frozen=True, tag="cancel"):
    key: str
    order: str


Intent = Place | Cancel


def market(key: str, quantity: Decimal | int = 10, side: Literal["BUY", "SELL"] = "BUY") -> Place:
    return Place(key, side, "MARKET", Decimal(quantity), None)


def resting(key: str, ground: Ground = PAPER, side: Literal["BUY", "SELL"] = "BUY") -> Place:
    price = ground.low if side == "BUY" else ground.high
    return Place(key, side, quantity=ground.quantity, price=price)


def mixture(seed: int, placed: list[str], ground: Ground = PAPER) -> Iterator[tuple[Intent, ...]]:
    """Endless: resting and crossing limit orders, market orders, some cancelled at once or later.

    Orders to cancel later are taken from `placed`, which the caller fills as they come to rest.
    """
    chance = random.Random(seed)  # noqa: S311 - a script, not a secret
    for number in itertools.count():
        key = f"{seed}-{number}"
        kind = chance.random()
        side: Literal["BUY", "SELL"] = chance.choice(("BUY", "SELL"))
        if kind < 0.35:
            yield (resting(key, ground, side),)
        elif kind < 0.5:
            crossing = ground.high if side == "BUY" else ground.low
            yield (Place(key, side, quantity=ground.quantity, price=crossing),)
        elif kind < 0.7:
            yield (market(key, ground.quantity, side),)
        elif kind < 0.85 or not placed:
            place = resting(key, ground, side)
            yield place, Cancel(f"{key}-cancel", place.order)
        else:
            yield (Cancel(f"{key}-cancel", placed.pop(0)),)
