"""Reads the rules of what may be traded before the first order asks for them."""

import asyncio
import logging

import psycopg
from psycopg_pool import PoolTimeout

from api.deps import Deps
from api.reading import TooSlow, rows
from projections import queries

_log = logging.getLogger(__name__)
AGAIN_SECONDS = 600.0
RETRY_SECONDS = 5.0
_TRADABLE = queries.load("credentials")["tradable"]


async def keep_warm(deps: Deps) -> None:
    """Until cancelled; what is dropped for want of use is read again while it may be traded."""
    while True:
        pause_seconds = AGAIN_SECONDS
        try:
            found = await rows(deps.pool, _TRADABLE, {})
            deps.markets.warm({connector for _, connector, _ in found})
        except (psycopg.Error, PoolTimeout, TooSlow) as error:
            _log.warning("What may be traded could not be read: %s", error)
            pause_seconds = RETRY_SECONDS
        await asyncio.sleep(pause_seconds)
