"""Makes ccxt's exchange objects: addresses, proxies, limits and markets as the settings say.

Objects of one venue share its rate limiter, its clock's offset and its markets (a venue's 3,000
markets take 24 MB and half a second to read), for each event loop. The surprising thing: ccxt
refuses to tell a number exactly unless `number` is `str`, and repeats nothing only because
`maxRetriesOnFailure` is 0 unless set.
"""

import asyncio
import importlib
import logging
import ssl
import time
from collections.abc import Coroutine, Mapping
from typing import Any
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

import aiohttp

from adapters.settings import Settings
from adapters.venues.ccxt.turns import Turns
from adapters.venues.connectors import Connector, connectors

_log = logging.getLogger(__name__)
Exchange = Any
"""ccxt has no types of its own."""

TIMEOUT_MS = 10_000
_MARKETS_MAX_AGE_SECONDS = 3600.0
_AGAIN_SECONDS = 60.0
_CLOCK_PAUSE_SECONDS = 10.0
_CLOCK = "timeDifference"
"""ccxt's option: our clock less the venue's, where requests are timed by the venue's."""
_OPTIONS: dict[str, dict[str, Any]] = {
    "binance": {
        "fetchMarkets": {"types": ["spot"]},
        "fetchMargins": False,
        "fetchCurrencies": False,
        "fetchOpenOrders": {"warnWithoutSymbol": False},
    },
    "binanceusdm": {
        "fetchMarkets": {"types": ["linear"]},
        "fetchMargins": False,
        "fetchCurrencies": False,
        "fetchOpenOrders": {"warnWithoutSymbol": False},
        "disableFuturesSandboxWarning": True,
    },
    "bybit": {"fetchOrder": {"acknowledged": True}},
}


class Shared:
    """What all objects of one connector in one event loop have in common."""

    def __init__(self, settings: Settings, name: str) -> None:
        self.settings = settings
        self.name = name
        self.throttler: Turns | None = None
        self.ssl_context: ssl.SSLContext | None = None
        self._source: Exchange | None = None
        """Holds the markets; it is never connected but to read them."""
        self._read_at = 0.0
        self._clock_at = 0.0
        self._reading = asyncio.Lock()
        self._work: asyncio.Task[None] | None = None

    @property
    def age_seconds(self) -> float:
        """Of the markets, since they were read."""
        return time.monotonic() - self._read_at

    async def markets_into(self, exchange: Exchange) -> None:
        """Give an object the venue's markets and clock.

        The first call waits until they are read; later ones read anew in the background, and a
        venue that does not answer then keeps the markets that it had.
        """
        async with self._reading:
            if self._source is None:
                self._source = await self._read()
                self._read_at = time.monotonic()
        if time.monotonic() - self._read_at > _MARKETS_MAX_AGE_SECONDS:
            self._in_background(self._read_again())
        if exchange.markets is not self._source.markets:
            exchange.set_markets_from_exchange(self._source)
        if _CLOCK in self._source.options:
            exchange.options[_CLOCK] = self._source.options[_CLOCK]

    def clock_differs(self) -> None:
        """The venue found a request too old or too young: ask for its time anew."""
        if time.monotonic() - self._clock_at > _CLOCK_PAUSE_SECONDS:
            self._in_background(self._read_clock())

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        if self._work is None or self._work.done():
            self._work = asyncio.create_task(work)
        else:
            work.close()

    async def _read_again(self) -> None:
        try:
            self._source = await self._read()
        except Exception as error:  # noqa: BLE001 - whatever ccxt raises, the old ones are there
            _log.warning("The markets of %s could not be read anew: %r", self.name, error)
            self._read_at += _AGAIN_SECONDS
        else:
            self._read_at = time.monotonic()

    async def _read_clock(self) -> None:
        self._clock_at = time.monotonic()
        source = bare(self)
        try:
            await source.load_time_difference()
            if self._source is not None:
                self._source.options[_CLOCK] = source.options[_CLOCK]
        except Exception as error:  # noqa: BLE001 - whatever ccxt raises, the next refusal asks again
            _log.warning("The clock of %s could not be read: %r", self.name, error)
        finally:
            await source.close()

    async def _read(self) -> Exchange:
        source = bare(self)
        try:
            await source.load_markets()
            if _CLOCK in source.options:
                await source.load_time_difference()
        finally:
            await source.close()
        return source


_shared: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[tuple[str, str], Shared]] = (
    WeakKeyDictionary()
)


def shared(settings: Settings, name: str) -> Shared:
    """Only inside a running loop."""
    here = _shared.setdefault(asyncio.get_running_loop(), {})
    key = (name, settings.venue_urls.get(name, ""))
    if key not in here:
        here[key] = Shared(settings, name)
    return here[key]


def bare(
    common: Shared, credential: Mapping[str, str] | None = None, *, is_exact: bool = True
) -> Exchange:
    """An object without markets, whose owner closes it. Imports ccxt."""
    connector = connectors()[common.name]
    if connector.ccxt is None:
        raise ValueError(f"{common.name} has no counterpart in ccxt.")
    module = importlib.import_module("ccxt.pro" if connector.ccxt.has_pro else "ccxt.async_support")
    exchange = getattr(module, connector.ccxt.id)(
        {
            "enableRateLimit": True,
            "timeout": TIMEOUT_MS,
            "options": _OPTIONS.get(connector.ccxt.id, {})
            | {"defaultType": connector.ccxt.default_type},
        }
    )
    exchange.number = str if is_exact else float
    if connector.ccxt.is_sandbox:
        exchange.set_sandbox_mode(True)
    _connect(common, exchange)
    if credential is not None:
        _authorise(connector, exchange, credential)
    return exchange


def _connect(common: Shared, exchange: Exchange) -> None:
    url = common.settings.venue_urls.get(common.name)
    if url is not None:
        exchange.urls["api"] = redirected(exchange.urls["api"], url)
        exchange.timeout_on_exit = 0
    proxy = common.settings.venue_proxies.get(common.name)
    if proxy is not None:
        exchange.httpsProxy = exchange.wssProxy = proxy
    if common.throttler is None:
        rate = common.settings.venue_rates.get(common.name)
        per_second = 1000 / exchange.rateLimit if rate is None else rate
        common.throttler = Turns(per_second, burst=1.0 if rate is None else max(1.0, rate))
    exchange.throttler = common.throttler
    if common.ssl_context is None:
        common.ssl_context = ssl.create_default_context(cafile=exchange.cafile)
    exchange.ssl_context = common.ssl_context


def session(exchange: Exchange) -> aiohttp.ClientSession:
    """For a socket of our own to the same venue."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=exchange.ssl_context or True),
        cookie_jar=aiohttp.DummyCookieJar(),
    )


def redirected(urls: Any, to: str) -> Any:
    """The same tree of URLs with another scheme, host and port; sockets stay sockets."""
    if isinstance(urls, dict):
        return {name: redirected(url, to) for name, url in urls.items()}
    if isinstance(urls, list):
        return [redirected(url, to) for url in urls]
    if not isinstance(urls, str) or "://" not in urls:
        return urls
    parts, base = urlsplit(urls), urlsplit(to)
    scheme = base.scheme.replace("http", "ws") if parts.scheme in ("ws", "wss") else base.scheme
    return parts._replace(scheme=scheme, netloc=base.netloc).geturl()


def _authorise(connector: Connector, exchange: Exchange, credential: Mapping[str, str]) -> None:
    """Put each field of a credential where ccxt looks for it.

    ccxt then asks for those alone: of ndax it would want a password that is only for withdrawals.
    """
    targets = connector.ccxt.credentials if connector.ccxt is not None else {}
    given = {place for target in targets.values() if target for place in target.split("|")}
    exchange.requiredCredentials = {
        name: wanted and name in given for name, wanted in exchange.requiredCredentials.items()
    }
    for field, target in targets.items():
        value = credential.get(field)
        if target is None or not value:
            continue
        for place in target.rstrip("?").split("|"):
            kind, _, name = place.partition(".")
            if kind == "options":
                exchange.options[name] = value
            elif kind == "params":
                _choose_vault(exchange, value)
            else:
                setattr(exchange, place, value)


def _choose_vault(exchange: Exchange, value: str) -> None:
    """Hyperliquid: trade for the vault whose address stands as the wallet's."""
    if value.strip().lower() in ("true", "yes", "1"):
        exchange.options["vaultAddress"] = exchange.walletAddress
