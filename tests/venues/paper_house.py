"""The paper venue as the contract suite sees it."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Literal

from adapters.venues.market_port import PublicVenue
from adapters.venues.paper.public import PaperMarket
from adapters.venues.port import Venue
from tests.venues.paper_process import PAIR, PaperProcess, running
from tests.venues.stage import Fault, House, Terms


class PaperHouse:
    terms = Terms(
        pair=PAIR,
        base="EUR",
        quote="USD",
        quantity=Decimal(100),
        low=Decimal("1.0"),
        high=Decimal("1.9"),
        too_much=Decimal(90_000_000),
    )

    def __init__(self, process: PaperProcess) -> None:
        self._process = process

    def private(self, account: str) -> Venue:
        return self._process.venue(account)

    def public(self) -> PublicVenue:
        return PaperMarket(self._process.url)

    async def fault(
        self, _account: str, fault: Fault, request: Literal["place", "cancel"] = "place"
    ) -> None:
        rule = {"kind": fault, "request": request}
        await asyncio.to_thread(self._process.faults, rule)

    async def cut_streams(self, _account: str) -> None:
        await asyncio.to_thread(self._process.faults, {"kind": "down"})
        await asyncio.to_thread(self._process.test, "DELETE", "faults")

    async def price(self, price: Decimal | None) -> None:
        await asyncio.to_thread(self._process.price, None if price is None else str(price))

    async def pay_funding(self, rate: str) -> None:
        raise NotImplementedError(f"The paper venue has no perpetuals to pay {rate} on.")


@contextmanager
def paper(folder: Path) -> Iterator[House]:
    with running(folder) as process:
        yield PaperHouse(process)
