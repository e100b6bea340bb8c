"""What tokens are worth in dollars, or in the coin next to it, as far as markets tell.

A price is of the last minutes; a token without one has none, which is not the same as 0.
"""

import asyncio
import logging
from collections.abc import Collection, Mapping
from decimal import Decimal

from api.market.quotes import Quotes
from api.market.rates import rate

_log = logging.getLogger(__name__)
QUOTES = ("USDT", "USD", "USDC")
"""The first in which there is a price counts."""
WAIT_SECONDS = 5.0


async def prices_of(
    quotes: Quotes, served: Collection[str], tokens: Collection[str]
) -> Mapping[str, Decimal]:
    """Of those tokens that have one, out of these connectors' tickers and all others in use.

    Never fails: balances are true without prices.
    """
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            await quotes.tickers.of(served)
            known = await quotes.merged.prices()
    except TimeoutError:
        _log.warning("No prices for balances: venues did not answer within %s s", WAIT_SECONDS)
        return {}
    found: dict[str, Decimal] = {}
    for token in tokens:
        for quote in QUOTES:
            price = rate(known, f"{token}-{quote}")
            if price is not None:
                found[token] = price
                break
    return found
