"""What a dispatcher does beside acting on intents: it takes snapshots and answers questions."""

import asyncio
from typing import Any

import psycopg

from adapters.postgres.questions import PORTFOLIO
from workers.dispatching import answering
from workers.dispatching.context import Outside
from workers.dispatching.desks import Desks
from workers.dispatching.portfolio_looks import Looks
from workers.dispatching.portfolio_prices import PortfolioPrices
from workers.dispatching.portfolios import Portfolios
from workers.dispatching.recording import Recorder


async def run(
    dsn: str,
    holder: str,
    desks: Desks,
    recorder: Recorder,
    side: psycopg.AsyncConnection[Any],
    outside: Outside,
    portfolio_seconds: float,
) -> None:
    """Until cancelled; raises psycopg.Error where a restart is the cure."""
    prices = PortfolioPrices(outside.make_public_venues(outside.settings))
    portfolios = Portfolios(desks, recorder, side, Looks(desks, side, prices), portfolio_seconds)
    of_account = {PORTFOLIO: portfolios.asked}
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(portfolios.run())
            tasks.create_task(answering.run(dsn, desks.ours, holder, of_account))
    finally:
        await prices.close()
