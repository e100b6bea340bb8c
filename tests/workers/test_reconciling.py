"""What a comparison with the venue asks for, and what it need not."""

from collections import Counter
from collections.abc import Callable

import pytest

from adapters.venues.port import VenueOrder
from tests.postgres_fixture import Database
from tests.workers.stage import Ledger, serving, stage

pytestmark = pytest.mark.postgres


class Counts(Ledger):
    """How often it was asked for each order."""

    def __init__(self) -> None:
        super().__init__()
        self.lookups: Counter[str] = Counter()

    async def order(self, pair: str, client_order_id: str) -> VenueOrder | None:
        self.lookups[client_order_id] += 1
        return await super().order(pair, client_order_id)


def test_orders_that_were_filled_meanwhile_are_known_by_their_trades_alone(
    migrated: Callable[[], Database],
) -> None:
    """The last one has a part of its fills from before, so its venue is asked."""
    venue = Counts()
    with stage(migrated()) as on:
        filled = [on.place(f"filled {number}") for number in range(4)]
        partly = on.place("partly")
        names = [*filled, partly]
        on.run_until(
            serving({"paper": venue}), lambda: all(on.order(n).status == "open" for n in names)
        )
        venue.trade(partly, "0.4")
        on.run_until(serving({"paper": venue}), lambda: on.order(partly).filled > 0)
        for name in filled:
            venue.fill(name)
        venue.trade(partly, "0.6")
        venue.orders.pop(partly)
        venue.lookups.clear()
        on.run_until(serving({"paper": venue}), lambda: venue.lookups[partly] > 0)
        assert all(on.order(name).status == "filled" for name in names)
        assert set(venue.lookups) == {partly}
