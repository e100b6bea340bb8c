"""One connection to a venue: an exchange object made on first use, errors in the port's words.

Every call ends within a time limit, the waiting for the venue's rate limit included.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from adapters.settings import Settings
from adapters.venues.ccxt import making
from adapters.venues.ccxt.errors import Operation, translate
from adapters.venues.ccxt.making import Exchange
from adapters.venues.ccxt.reading import pair_of
from adapters.venues.ccxt.rules import is_ours, rule_of
from adapters.venues.connectors import Connector, connectors
from adapters.venues.port import (
    OrderType,
    TradingRule,
    VenueBusy,
    VenueRefused,
    VenueUnreachable,
)

LIMIT_SECONDS = 20.0
PAUSE_MAX_SECONDS = 3600.0
"""Of what a venue may ask for."""
_TYPES: tuple[OrderType, ...] = ("LIMIT", "MARKET", "LIMIT_MAKER")
_UNTOLD: tuple[OrderType, ...] = ("LIMIT", "MARKET")
"""Of connectors whose own are not known."""

_SECONDS = re.compile(r"[0-9]{1,9}")
"""A date instead of them is passed over."""

Answer = TypeVar("Answer")
Market = Mapping[str, Any]


class Line:
    def __init__(
        self,
        settings: Settings,
        name: str,
        credential: Mapping[str, str] | None = None,
        *,
        is_exact: bool = True,
    ) -> None:
        self.name = name
        self.connector: Connector = connectors()[name]
        self.closed = asyncio.Event()
        self._settings = settings
        self._credential = credential
        self._is_exact = is_exact
        self._exchange: Exchange | None = None
        self._markets_read: object = None
        self._by_pair: dict[str, Market] = {}

    async def exchange(self) -> Exchange:
        """Ready to be used: markets known, limits shared."""
        if self.closed.is_set():
            raise VenueUnreachable("this client is closed")
        common = making.shared(self._settings, self.name)
        if self._exchange is None:
            self._exchange = making.bare(common, self._credential, is_exact=self._is_exact)
        await common.markets_into(self._exchange)
        if self._exchange.markets is not self._markets_read:
            self._markets_read = self._exchange.markets
            self._by_pair = {
                pair_of(market): market
                for market in self._exchange.markets.values()
                if is_ours(market, is_perpetual=self.connector.is_perpetual)
            }
        return self._exchange

    async def call(
        self, operation: Operation, act: Callable[[Exchange], Awaitable[Answer]]
    ) -> Answer:
        """Raises VenueRefused or VenueUnreachable, and nothing else."""
        try:
            async with asyncio.timeout(LIMIT_SECONDS):
                return await act(await self.exchange())
        except (VenueRefused, VenueUnreachable):
            raise
        except Exception as error:  # noqa: BLE001 - ccxt raises what it likes; all prove something
            # Without the cause: its text may hold a signed address.
            told = self.told(error, operation)
            if isinstance(told, VenueBusy):
                told.retry_after_seconds = max(told.retry_after_seconds, self._asked_to_wait())
            if isinstance(told, VenueRefused) and told.code == "request_expired":
                making.shared(self._settings, self.name).clock_differs()
            raise told from None

    def _asked_to_wait(self) -> float:
        """Seconds, by the answer that came last: nothing else ran since it was refused."""
        headers: Mapping[str, str] = getattr(self._exchange, "last_response_headers", None) or {}
        said = next((v for k, v in headers.items() if k.lower() == "retry-after"), "")
        return min(float(said), PAUSE_MAX_SECONDS) if _SECONDS.fullmatch(said) else 0.0

    def told(self, error: Exception, operation: Operation = "other") -> Exception:
        """What an error says in the port's words, without a field of the credential."""
        return translate(error, operation, self._credential or {})

    @property
    def markets(self) -> Mapping[str, Market]:
        """By pair; those of the last call."""
        return self._by_pair

    def market(self, pair: str) -> Market:
        found = self._by_pair.get(pair)
        if found is None:
            raise VenueRefused("unknown_pair", f"{self.name} does not trade {pair}")
        return found

    def market_by_symbol(self, symbol: str) -> Market | None:
        """Of ccxt's symbol; None where it is no pair of this connector."""
        market = self._exchange.markets.get(symbol) if self._exchange is not None else None
        return market if market and self._by_pair.get(pair_of(market)) is market else None

    def rule(self, market: Market) -> TradingRule | None:
        mode = self._exchange.precisionMode if self._exchange is not None else 0
        known = self.connector.order_types or ()
        return rule_of(market, mode, tuple(kind for kind in _TYPES if kind in known) or _UNTOLD)

    async def close(self) -> None:
        self.closed.set()
        if self._exchange is not None:
            exchange, self._exchange = self._exchange, None
            await exchange.close()
