"""What the engine asks of a market's funds: `spot_wallet` and `margin` answer it."""

from decimal import Decimal
from typing import NamedTuple, Protocol

from tests.doubles.binance.records import NewOrder, Order, UserEvent


class Moved(NamedTuple):
    """What a fill cost and brought."""

    fee: Decimal
    fee_asset: str
    realized: Decimal


class Settlement(Protocol):
    def reserve(self, account: str, new: NewOrder, cost: Decimal, takes: Decimal) -> Decimal:
        """What the order locks; raises ApiError and then has changed nothing."""

    def release(self, order: Order) -> None: ...

    def fill_limit(self, order: Order, quantity: Decimal) -> Decimal:
        """How much of `quantity` the order may take: less where it may only reduce."""

    def settle(
        self, order: Order, price: Decimal, quantity: Decimal, now_ms: int, *, is_maker: bool
    ) -> Moved: ...

    def holdings_event(self, order: Order) -> UserEvent | None:
        """What the account's stream says of its holdings after the order changed."""
