"""Settings that exist once for each connector: where its venue is, by which proxy, how fast.

`VENUE_URL_BINANCE_PERPETUAL` is VENUE_URL_ with the connector's name in capitals. An empty value
means the default.
"""

import difflib
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from adapters import values
from adapters.values import BadSetting
from adapters.venues.connectors import connectors

FAMILY = "VENUE_"


def _base_url(raw: str) -> str:
    """Scheme, host and port, without a path: the venue's own paths follow."""
    parts = urlsplit(raw.strip())
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/"):
        raise ValueError("a URL such as http://127.0.0.1:9000, without a path")
    return f"{parts.scheme}://{parts.netloc}"


def _proxy(raw: str) -> str:
    parts = urlsplit(raw.strip())
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("the URL of an HTTP proxy, such as http://127.0.0.1:3128")
    return raw.strip()


_READERS: Mapping[str, tuple[str, Callable[[str], Any], bool]] = {
    "VENUE_URL_": ("venue_urls", _base_url, False),
    "VENUE_PROXY_": ("venue_proxies", _proxy, True),
    "VENUE_RATE_": ("venue_rates", values.number(0.1, 100_000), False),
}
PREFIXES = tuple(_READERS)


def read(given: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """From the name of a field of Settings to connector and value; raises BadSetting."""
    found: dict[str, dict[str, Any]] = {}
    for name in sorted(given):
        if not name.startswith(FAMILY) or not given[name].strip():
            continue
        prefix = next((prefix for prefix in PREFIXES if name.startswith(prefix)), None)
        if prefix is None:
            raise BadSetting(name, f"there is no such setting; these are: {', '.join(PREFIXES)}")
        field, reader, is_secret = _READERS[prefix]
        connector = name.removeprefix(prefix).lower()
        _check(name, prefix, connector)
        try:
            found.setdefault(field, {})[connector] = reader(given[name])
        except ValueError as error:
            shown = "the value (not shown)" if is_secret else repr(given[name])
            raise BadSetting(name, f"{shown} is not allowed: it must be {error}") from None
    return found


def _check(name: str, prefix: str, connector: str) -> None:
    """A connector that ccxt does not serve has no address that could be replaced."""
    known = [each for each, entry in connectors().items() if entry.ccxt is not None]
    if connector not in known:
        near = difflib.get_close_matches(connector, known, n=1)
        hint = f"Did you mean {prefix}{near[0].upper()}?" if near else f"Known: {', '.join(known)}."
        raise BadSetting(name, f"there is no connector {connector!r}. {hint}")
