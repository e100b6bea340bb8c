"""The latest public trades of one pair, each with its number: who follows asks by number.

Memory is bounded: the oldest make room, and a follower that comes late hears how many it missed.
"""

from collections import deque
from collections.abc import Iterable

from adapters.venues.market_port import PublicTrade

KEPT = 2_000


class Tape:
    def __init__(self, kept: int = KEPT) -> None:
        self.end = 0
        """The number of the next trade."""
        self.begin = 0
        """Trades before this number had happened before the feed began: they are nobody's news."""
        self._trades: deque[PublicTrade] = deque(maxlen=kept)
        self._ids: set[str] = set()

    def add(self, trades: Iterable[PublicTrade]) -> int:
        """Take those that are new, in the order in which they come; answers how many."""
        before = self.end
        for trade in trades:
            if trade.trade_id in self._ids:
                continue
            if len(self._trades) == self._trades.maxlen:
                self._ids.discard(self._trades[0].trade_id)
            self._trades.append(trade)
            self._ids.add(trade.trade_id)
            self.end += 1
        return self.end - before

    def since(self, number: int) -> tuple[list[PublicTrade], int]:
        """The trades from that number on, and how many of them are gone already."""
        wanted = max(0, self.end - number)
        return self.latest(wanted), max(0, wanted - len(self._trades))

    def latest(self, limit: int) -> list[PublicTrade]:
        """Oldest first."""
        count = min(limit, len(self._trades))
        return [self._trades[place] for place in range(-count, 0)]
