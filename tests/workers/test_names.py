"""Venues that do not tell of our orders by the names that we gave them."""

import zlib
from collections.abc import Callable, Sequence

import pytest
from msgspec import structs

from adapters.venues.port import TradePage, VenueOrder
from tests.postgres_fixture import Database
from tests.workers.stage import TRAITS, Ledger, serving, stage

pytestmark = pytest.mark.postgres


class Numbers(Ledger):
    """Knows orders by numbers made of their names, which nobody can read back."""

    def __init__(self) -> None:
        numbers = r"^[0-9]{1,18}$"
        super().__init__(
            structs.replace(TRAITS, client_order_id_pattern=numbers, has_user_stream=False)
        )
        self._names: dict[str, str] = {}

    def expect(self, client_order_ids: Sequence[str]) -> None:
        self._names |= {str(zlib.crc32(name.encode())): name for name in client_order_ids}

    def forget(self) -> None:
        """As another process would: all that is left are the numbers."""
        self._names.clear()
        for name in list(self.orders):
            number = str(zlib.crc32(name.encode()))
            self.orders[number] = structs.replace(self.orders.pop(name), client_order_id=number)

    def _told(self, order: VenueOrder) -> VenueOrder:
        name = self._names.get(order.client_order_id, order.client_order_id)
        return structs.replace(order, client_order_id=name)

    async def open_orders(self) -> tuple[VenueOrder, ...]:
        return tuple(self._told(order) for order in await super().open_orders())

    async def trades_since(
        self, cursor: str | None, pairs: Sequence[str], limit: int = 500
    ) -> TradePage:
        page = await super().trades_since(cursor, pairs, limit)
        trades = tuple(
            structs.replace(its, client_order_id=self._names.get(its.client_order_id, "foreign"))
            for its in page.trades
        )
        return structs.replace(page, trades=trades)


def test_a_venue_that_knows_orders_by_numbers_is_told_which_are_ours(
    migrated: Callable[[], Database],
) -> None:
    venue = Numbers()
    with stage(migrated()) as on:
        name = on.place("filled later")
        on.run_until(serving({"paper": venue}), lambda: on.order(name).status == "open")
        venue.forget()
        venue.trade(str(zlib.crc32(name.encode())), "0.4")
        on.run_until(serving({"paper": venue}), lambda: bool(on.order(name).trades))
        assert on.order(name).status == "open"


def test_a_venue_with_shorter_names_tells_of_our_orders_all_the_same(
    migrated: Callable[[], Database],
) -> None:
    short = structs.replace(TRAITS, client_order_id_length_max=20, has_user_stream=False)
    venue = Ledger(short)
    with stage(migrated()) as on:
        name = on.place("filled later")
        on.run_until(serving({"paper": venue}), lambda: on.order(name).status == "open")
        venue.fill(name[:20])
        # Another process, which has not placed it.
        on.run_until(serving({"paper": venue}), lambda: on.order(name).status == "filled")
        assert venue.placed == [name[:20]]
