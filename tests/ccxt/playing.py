"""Plays a scenario with an account at Binance's double."""

import asyncio
from collections.abc import Awaitable, Callable

from tests.venues.binance_house import BinanceHouse
from tests.venues.stage import Scene


def play(house: BinanceHouse, name: str, scenario: Callable[[Scene], Awaitable[None]]) -> None:
    async def on_stage() -> None:
        scene = Scene(house, name)
        try:
            await asyncio.wait_for(scenario(scene), 120)
        finally:
            await scene.close()

    asyncio.run(on_stage())
