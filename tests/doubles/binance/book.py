"""The book of one symbol: users' resting orders over a scripted market maker's ladder.

The maker states `levels` prices a side, `step` apart, `level_quantity` each. What takers took of
it comes back with the next order, except where it would cross a user's resting order.
"""

from collections.abc import Iterator
from decimal import Decimal

from tests.doubles.binance.records import ZERO, Order, Side
from tests.doubles.binance.symbols import Symbol

SIDES: tuple[Side, Side] = ("BUY", "SELL")
_STEP = Decimal("0.0001")
_LEVELS = 25


def opposite(side: Side) -> Side:
    return "SELL" if side == "BUY" else "BUY"


def reaches(side: Side, limit: Decimal | None, price: Decimal) -> bool:
    """Whether an order of `side` limited to `limit` accepts `price`; None accepts any."""
    if limit is None:
        return True
    return limit >= price if side == "BUY" else limit <= price


class Book:
    def __init__(self, symbol: Symbol) -> None:
        self.symbol = symbol
        self.mid = symbol.price
        self.state_ladder()
        self._stated_for: tuple[Decimal, Decimal, int] | None = None
        self._prices: dict[str, set[Decimal]] = {}
        self.update_id = 1_000
        self.maker: dict[Side, dict[Decimal, Decimal]] = {"BUY": {}, "SELL": {}}
        self._resting: dict[Side, dict[Decimal, dict[int, Order]]] = {"BUY": {}, "SELL": {}}
        self._touched: dict[Side, set[Decimal]] = {"BUY": set(), "SELL": set()}
        self.refill()
        self.take_delta()

    def state_ladder(self) -> None:
        """What the maker states before a test says otherwise."""
        symbol = self.symbol
        self.levels = _LEVELS
        self.level_quantity = symbol.level_quantity
        self.step = max(symbol.tick, (symbol.price * _STEP) // symbol.tick * symbol.tick)

    def rest(self, order: Order) -> None:
        self._resting[order.side].setdefault(order.price, {})[order.order_id] = order
        self.touch(order.side, order.price)

    def discard(self, order: Order) -> None:
        """Take the order away, if it rests here."""
        queue = self._resting[order.side].get(order.price)
        if queue is None or queue.pop(order.order_id, None) is None:
            return
        if not queue:
            del self._resting[order.side][order.price]
        self.touch(order.side, order.price)

    def touch(self, side: Side, price: Decimal) -> None:
        self._touched[side].add(price)

    @property
    def is_touched(self) -> bool:
        return bool(self._touched["BUY"] or self._touched["SELL"])

    def refill(self) -> None:
        """Let the maker offer all that it states, where no user's order stands in the way."""
        for side in SIDES:
            ladder, stated = self.maker[side], self._stated(side)
            for price in ladder.keys() - stated:
                del ladder[price]
                self.touch(side, price)
            crossed = self.best_resting(opposite(side))
            for price in stated:
                if crossed is not None and reaches(side, price, crossed):
                    if ladder.pop(price, None) is not None:
                        self.touch(side, price)
                elif ladder.get(price) != self.level_quantity:
                    ladder[price] = self.level_quantity
                    self.touch(side, price)

    def take_from_maker(self, side: Side, price: Decimal, quantity: Decimal) -> None:
        ladder = self.maker[side]
        ladder[price] -= quantity
        if not ladder[price]:
            del ladder[price]
        self.touch(side, price)

    def best_resting(self, side: Side) -> Decimal | None:
        prices = self._resting[side]
        if not prices:
            return None
        return max(prices) if side == "BUY" else min(prices)

    def best(self, side: Side) -> Decimal | None:
        prices = self._resting[side].keys() | self.maker[side].keys()
        if not prices:
            return None
        return max(prices) if side == "BUY" else min(prices)

    def resting_at(self, side: Side, price: Decimal) -> list[Order]:
        return list(self._resting[side].get(price, {}).values())

    def prices(self, side: Side) -> list[Decimal]:
        """All prices of a side, best first."""
        prices = self._resting[side].keys() | self.maker[side].keys()
        return sorted(prices, reverse=side == "BUY")

    def quantity_at(self, side: Side, price: Decimal) -> Decimal:
        total = self.maker[side].get(price, ZERO)
        for order in self._resting[side].get(price, {}).values():
            total += order.remaining
        return total

    def offers(self, taker: Side, limit: Decimal | None) -> Iterator[tuple[Decimal, Decimal]]:
        """Price and quantity of what a taker limited to `limit` can take, best first."""
        side = opposite(taker)
        best = self.best(side)
        if best is None or not reaches(taker, limit, best):
            return
        for price in self.prices(side):
            if not reaches(taker, limit, price):
                return
            yield price, self.quantity_at(side, price)

    def cost(
        self, taker: Side, quantity: Decimal, limit: Decimal | None
    ) -> tuple[Decimal, Decimal]:
        """How much of `quantity` could be taken now, and what it would cost."""
        left, cost = quantity, ZERO
        for price, offered in self.offers(taker, limit):
            taken = min(left, offered)
            left -= taken
            cost += taken * price
            if not left:
                break
        return quantity - left, cost

    def snapshot(self, side: Side, limit: int) -> list[tuple[Decimal, Decimal]]:
        return [(price, self.quantity_at(side, price)) for price in self.prices(side)[:limit]]

    def take_delta(self) -> dict[Side, list[tuple[Decimal, Decimal]]]:
        """The prices that changed since the last call, with what is there now (0: nothing)."""
        delta: dict[Side, list[tuple[Decimal, Decimal]]] = {}
        for side in SIDES:
            touched = self._touched[side]
            delta[side] = [(price, self.quantity_at(side, price)) for price in touched]
            touched.clear()
        return delta

    def _stated(self, side: Side) -> set[Decimal]:
        terms = (self.mid, self.step, self.levels)
        if self._stated_for != terms:
            middle = self.mid // self.symbol.tick * self.symbol.tick
            for each, sign in (("BUY", -1), ("SELL", 1)):
                prices = (middle + sign * n * self.step for n in range(1, self.levels + 1))
                self._prices[each] = {price for price in prices if price > 0}
            self._stated_for = terms
        return self._prices[side]
