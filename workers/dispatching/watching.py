"""What a desk at a perpetual venue watches beside its orders: positions and funding payments."""

import asyncio
from typing import Any

import psycopg

from workers.dispatching.desk import Desk
from workers.dispatching.funding import FundingWatch
from workers.dispatching.positions import PositionWatch


class Watch:
    """One for each desk; at a spot venue it does nothing."""

    def __init__(
        self, desk: Desk, side: psycopg.AsyncConnection[Any], funding_seconds: float
    ) -> None:
        self._is_perpetual = desk.venue.traits.is_perpetual
        self._positions = PositionWatch(desk, side)
        self._funding = FundingWatch(desk, side, funding_seconds, self._positions)

    def connected(self) -> None:
        """The private stream is open, anew or for the first time."""
        self._positions.wake()
        self._funding.wake()

    def changed(self) -> None:
        """A fill was recorded, the venue said that holdings changed, or a reconciliation ended."""
        self._positions.wake()

    async def run(self) -> None:
        """Until cancelled; raises where a restart of the process is the cure."""
        if not self._is_perpetual:
            return
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._positions.run())
            tasks.create_task(self._funding.run())
