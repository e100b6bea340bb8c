"""What one token is worth in another, out of tickers: direct, reverse, or over one or two bridges.

A bridge is a stable coin, a major coin or a currency. Every step is a market's last price: no two
coins are taken to be the same. A reverse or bridged rate is a quotient, exact to 28 digits.
"""

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal

from adapters.venues.port import Ticker

QUOTE_TOKEN = "USDT"  # noqa: S105 - a coin
BRIDGES = ("USDT", "USDC", "USD", "BTC", "ETH", "EUR", "FDUSD", "BNB", "DAI", "TRY", "SOL")
_ONE = Decimal(1)
_NONE = Decimal(-1)
"""Volume of a ticker that does not tell its own."""

Prices = Mapping[str, Decimal]
"""Last prices by pair, as BASE-QUOTE."""


def merged(pools: Iterable[Mapping[str, Ticker]]) -> dict[str, Decimal]:
    """Of several connectors' prices for a pair, that of the largest turnover counts."""
    chosen: dict[str, Ticker] = {}
    for tickers in pools:
        for pair, ticker in tickers.items():
            other = chosen.get(pair)
            if ticker.last > 0 and (other is None or _turnover(other) < _turnover(ticker)):
                chosen[pair] = ticker
    return {pair: ticker.last for pair, ticker in chosen.items()}


def rate(prices: Prices, pair: str) -> Decimal | None:
    """None where no path leads from the pair's base to its quote."""
    base, dash, quote = pair.partition("-")
    if not (base and dash and quote):
        return None
    if base == quote:
        return _ONE
    step = _stepper(prices)
    found = step(base, quote)
    if found is not None:
        return found
    first = {bridge: price for bridge in BRIDGES if (price := step(base, bridge)) is not None}
    last = {bridge: price for bridge in BRIDGES if (price := step(bridge, quote)) is not None}
    for bridge, price in first.items():
        if bridge in last:
            return price * last[bridge]
    for bridge, price in first.items():
        for other, rest in last.items():
            between = step(bridge, other)
            if between is not None:
                return price * between * rest
    return None


def _stepper(prices: Prices) -> Callable[[str, str], Decimal | None]:
    def step(base: str, quote: str) -> Decimal | None:
        direct = prices.get(f"{base}-{quote}")
        if direct is not None:
            return direct
        reverse = prices.get(f"{quote}-{base}")
        return None if not reverse else _ONE / reverse

    return step


def _turnover(ticker: Ticker) -> Decimal:
    if ticker.quote_volume is not None:
        return ticker.quote_volume
    return _NONE if ticker.base_volume is None else ticker.base_volume * ticker.last
