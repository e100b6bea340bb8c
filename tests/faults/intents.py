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


def market(key: str, quantity: int = 10, side: Literal["BUY", "SELL"] = "BUY") -> Place:
    return Place(key, side, "MARKET", Decimal(quantity), None)


def mixture(seed: int, resting: list[str]) -> Iterator[tuple[Intent, ...]]:
    """Endless: resting and crossing limit orders, market orders, some cancelled at once or later.

    Orders to cancel later are taken from `resting`, which the caller fills as they are placed.
    """
    chance = random.Random(seed)  # noqa: S311 - a script, not a secret
    for number in itertools.count():
        key = f"{seed}-{number}"
        kind = chance.random()
        side: Literal["BUY", "SELL"] = chance.choice(("BUY", "SELL"))
        if kind < 0.35:
            yield (Place(key, side, price=LOW if side == "BUY" else HIGH),)
        elif kind < 0.5:
            yield (Place(key, side, price=HIGH if side == "BUY" else LOW),)
        elif kind < 0.7:
            yield (market(key, side=side),)
        elif kind < 0.85 or not resting:
            place = Place(key, side, price=LOW if side == "BUY" else HIGH)
            yield place, Cancel(f"{key}-cancel", place.order)
        else:
            yield (Cancel(f"{key}-cancel", resting.pop(0)),)
