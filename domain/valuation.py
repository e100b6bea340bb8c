"""What one token is worth in another, by last prices: a graph of pairs, the shortest way counts.

Prices are by pair as BASE-QUOTE, in quote per base. A direct pair's price is taken as it is; what
is made of several, or of one the other way round, is exact in between and rounded once, to 12
significant digits. A token that nothing leads to has no price. The surprising thing: a stable coin
counts as a dollar only where no pair, and no chain of pairs, says what it is worth.
"""

import heapq
from collections.abc import Mapping
from decimal import Context, Decimal
from fractions import Fraction

from msgspec import Struct

Prices = Mapping[str, Decimal]

DIGITS = 12
"""Of a converted price: the last prices of two markets are never of the same moment."""
STABLE = ("USDT", "USDC", "FDUSD", "DAI", "PYUSD", "TUSD")
BRIDGES = ("USD", *STABLE, "BTC", "ETH", "EUR", "BNB", "SOL", "TRY")
"""Chains of pairs lead through these only; of ways that are equally long the first one counts."""
DOLLAR = "USD"
_ONE = Fraction(1)
_rounded = Context(prec=DIGITS)


class Cost(Struct, frozen=True, order=True):
    """Of a way: the least counts."""

    pars: int
    """How often a stable coin is taken for a dollar."""
    steps: int
    ranks: tuple[int, ...]


class Way(Struct, frozen=True):
    cost: Cost
    rate: Fraction
    direct: Decimal | None = None
    """The pair's own price, where that is the whole way."""


class Conversion:
    """Into one quote currency. Prices that are not above 0 and finite are none."""

    def __init__(self, prices: Prices, quote: str) -> None:
        self._prices = prices
        self._ways = self._bridged(quote)

    def price(self, token: str) -> Decimal | None:
        """Units of the quote currency for one token; None where nothing leads there."""
        way = self._ways.get(token)
        if way is None:
            found = (self._over(token, bridge, its) for bridge, its in self._ways.items())
            way = min((its for its in found if its), key=lambda its: its.cost, default=None)
        if way is None:
            return None
        if way.direct is not None:
            return way.direct
        numerator, denominator = Decimal(way.rate.numerator), Decimal(way.rate.denominator)
        return _rounded.divide(numerator, denominator)

    def _bridged(self, quote: str) -> dict[str, Way]:
        """The best way from each bridge to the quote, by Dijkstra's algorithm from the quote."""
        best: dict[str, Way] = {}
        here = Way(Cost(0, 0, ()), _ONE, Decimal(1))
        waiting: list[tuple[Cost, str, Way]] = [(here.cost, quote, here)]
        while waiting:
            _, token, way = heapq.heappop(waiting)
            if token in best:
                continue
            best[token] = way
            for other in BRIDGES:
                its = None if other in best else self._over(other, token, way)
                if its is not None:
                    heapq.heappush(waiting, (its.cost, other, its))
        return best

    def _over(self, token: str, bridge: str, way: Way) -> Way | None:
        """The way from a token that begins with one step to the bridge."""
        rank = BRIDGES.index(bridge) if bridge in BRIDGES else -1
        cost = Cost(way.cost.pars, way.cost.steps + 1, (rank, *way.cost.ranks))
        price = self._known(f"{token}-{bridge}")
        if price is not None:
            is_whole = way.cost.steps == 0
            return Way(cost, Fraction(price) * way.rate, price if is_whole else None)
        price = self._known(f"{bridge}-{token}")
        if price is not None:
            return Way(cost, way.rate / Fraction(price))
        if DOLLAR in (token, bridge) and (token in STABLE or bridge in STABLE):
            cost = Cost(cost.pars + 1, cost.steps, cost.ranks)
            return Way(cost, way.rate)
        return None

    def _known(self, pair: str) -> Decimal | None:
        price = self._prices.get(pair)
        return price if price is not None and price.is_finite() and price > 0 else None
