"""The public tape of one venue: trades that anybody may see, and now and then one of nobody's.

The surprising thing: the prints of nobody move no money and take nothing from the book. They are
there so that a quiet market has a tape, at the best synthetic price and only where no user's order
would have been served first. They are a function of pair and time alone.
"""

from collections import deque
from collections.abc import Iterable
from decimal import Decimal
from hashlib import blake2b

from adapters.venues.market_port import PublicTrade
from adapters.venues.paper.book import Book, opposite
from adapters.venues.paper.engine import Update
from adapters.venues.port import Side, TradeUpdate, VenueTrade

KEPT = 1_000
_SHARES = 1_000
_SHARE_MAX = 0xFF


def public(updates: Iterable[tuple[str, Update]]) -> list[tuple[str, PublicTrade]]:
    """Pair and trade of each fill, in order; both sides of a fill are one trade.

    A maker's fill without a taker's was taken by the synthetic liquidity.
    """
    found: dict[str, tuple[str, PublicTrade]] = {}
    for _, update in updates:
        if isinstance(update, TradeUpdate):
            trade = update.trade
            found[trade.trade_id] = trade.pair, _seen(trade)
    return list(found.values())


def _seen(trade: VenueTrade) -> PublicTrade:
    return PublicTrade(
        trade_id=trade.trade_id,
        side=opposite(trade.side) if trade.is_maker else trade.side,
        quantity=trade.quantity,
        price=trade.price,
        at_us=trade.executed_at_us,
    )


class Tape:
    """The latest trades of each pair, oldest first."""

    def __init__(self, pairs: Iterable[str]) -> None:
        self._trades = {pair: deque[PublicTrade](maxlen=KEPT) for pair in pairs}
        self._printed: dict[str, int] = {}

    def add(self, pair: str, trade: PublicTrade) -> None:
        self._trades[pair].append(trade)

    def latest(self, pair: str, limit: int) -> list[PublicTrade]:
        trades = self._trades[pair]
        return [trades[place] for place in range(max(0, len(trades) - limit), len(trades))]

    def synthetic(self, book: Book, now_us: int) -> PublicTrade | None:
        """The print of this moment's slot, once; None where it was made or would be unfair."""
        pair, slot_us = book.rule.pair, book.terms.print_us
        slot = now_us // slot_us
        if self._printed.get(pair, -1) >= slot:
            return None
        self._printed[pair] = slot
        chance = blake2b(f"{pair}/{slot}".encode(), digest_size=2).digest()
        side: Side = "BUY" if chance[0] & 1 else "SELL"
        best = next(book.offers(opposite(side)), None)
        if best is None or best.order is not None:
            return None
        # A share of one level, cut to the pair's lot.
        share = book.terms.level_quantity * min(_SHARE_MAX, chance[1] + 1) / _SHARES
        lots = max(1, int(share / book.rule.lot))
        return PublicTrade(
            trade_id=f"p{slot}",
            side=side,
            quantity=max(book.rule.quantity_min, lots * book.rule.lot),
            price=Decimal(best.ticks) * book.rule.tick,
            at_us=now_us,
        )
