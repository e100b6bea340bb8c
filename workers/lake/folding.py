"""Folds pages of the log into the lake's rows. It holds what orders are before an event."""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence

from domain.log import Recorded
from projections import lake_rows
from projections.lake_rows import LakeRow
from projections.orders import OrderRow
from projections.projection import Fact
from workers.projecting.folding import facts_of

REMEMBERED = 20_000
History = Callable[[Sequence[str], int], Sequence[Recorded]]
"""The events of streams up to a position, in order."""


class Folding:
    """Of one worker or rebuild; `forget` after whatever was folded has not been stored."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._orders: OrderedDict[str, OrderRow] = OrderedDict()
        self._remembered_at = 0
        """Who folds on from elsewhere must forget: another worker was there in between."""

    def fold(self, page: Iterable[Recorded], floors: Mapping[str, int]) -> dict[str, list[LakeRow]]:
        """Rows by table; `floors` names the tables to fold, each with the position it stands at.

        Raises what an event raises that cannot be folded: a table without it would be wrong, and
        nobody would see that.
        """
        facts = facts_of(page)
        rows: dict[str, list[LakeRow]] = {name: [] for name in floors}
        if "orders" in floors:
            if floors["orders"] != self._remembered_at:
                self.forget()
            self._recall(facts, floors["orders"])
            self._remembered_at = max([floors["orders"], *(fact.position for _, fact in facts)])
        for tag, fact in facts:
            for name, floor in floors.items():
                if tag in lake_rows.TAGS[name] and fact.position > floor:
                    rows[name].extend(self._rows(name, fact))
        return {name: found for name, found in rows.items() if found}

    def forget(self) -> None:
        self._orders.clear()

    def _rows(self, table: str, fact: Fact) -> Iterable[LakeRow]:
        match table:
            case "trades":
                return (lake_rows.trade_of(fact),)
            case "orders":
                return (self._order(fact),)
            case "portfolio":
                return lake_rows.holdings_of(fact)
            case "portfolio_values":
                return lake_rows.values_of(fact)
            case _:
                return (lake_rows.payment_of(fact),)

    def _order(self, fact: Fact) -> LakeRow:
        key = lake_rows.order_id(fact)
        order, row = lake_rows.order_after(self._orders.pop(key, None), fact)
        self._orders[key] = order
        return row

    def _recall(self, facts: Sequence[tuple[str, Fact]], floor: int) -> None:
        """Fold those orders of the page that began before it and are not remembered."""
        while len(self._orders) > REMEMBERED:
            self._orders.popitem(last=False)
        first: dict[str, Fact] = {}
        for tag, fact in facts:
            if tag in lake_rows.TAGS["orders"] and fact.position > floor:
                first.setdefault(fact.stream, fact)
        wanted = [
            stream
            for stream, fact in first.items()
            if fact.version > 1 and lake_rows.order_id(fact) not in self._orders
        ]
        if not wanted:
            return
        # The page has all that is above the floor.
        for _, fact in facts_of(self._history(wanted, floor)):
            self._order(fact)
