"""Synthetic liquidity: what the venue itself offers around the moving price.

The best bid is mid * (1 - half spread) rounded down to a tick, the best ask mid * (1 + half
spread) rounded up, half spread 0.5 basis points by default; further levels stand
`level_step_ticks` apart, each with `level_quantity`. Refill rule: a consumed level stays consumed
until the best bid or ask moves by a tick or more, or `refill_us` have passed since the first
consumption; then every level is full again.
"""

from collections.abc import Iterator
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from adapters.venues.paper.settings import PairTerms
from adapters.venues.port import Side

_BASIS_POINTS = Decimal(10_000)


class Liquidity:
    def __init__(self, terms: PairTerms) -> None:
        self._terms = terms
        self._best: dict[Side, int] | None = None
        self._consumed: dict[tuple[Side, int], Decimal] = {}
        self._refill_at_us = 0

    def move(self, mid: Decimal, now_us: int) -> None:
        """Quote around `mid` from now on, and refill by the rule above."""
        terms = self._terms
        spread = mid * terms.half_spread_bp / _BASIS_POINTS
        bid = int(((mid - spread) / terms.rule.tick).to_integral_value(ROUND_FLOOR))
        ask = int(((mid + spread) / terms.rule.tick).to_integral_value(ROUND_CEILING))
        best: dict[Side, int] = {"BUY": bid, "SELL": max(ask, bid + 1)}
        if best != self._best or now_us >= self._refill_at_us:
            self._consumed.clear()
        self._best = best

    def levels(self, side: Side) -> Iterator[tuple[int, Decimal]]:
        """Ticks and what is left there, best first."""
        if self._best is None:
            return
        step = self._terms.level_step_ticks * (1 if side == "SELL" else -1)
        for level in range(self._terms.levels):
            ticks = self._best[side] + level * step
            if ticks <= 0:
                return
            left = self._terms.level_quantity - self._consumed.get((side, ticks), 0)
            if left > 0:
                yield ticks, left

    def take(self, side: Side, ticks: int, quantity: Decimal, now_us: int) -> None:
        if not self._consumed:
            self._refill_at_us = now_us + self._terms.refill_us
        key = (side, ticks)
        self._consumed[key] = self._consumed.get(key, Decimal(0)) + quantity
