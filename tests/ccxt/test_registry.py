"""From a connector's name to its venue through ccxt."""

import asyncio
import subprocess
import sys
import time
from typing import Any

import pytest

from adapters.settings import Settings
from adapters.venues.port import (
    VenueUnreachable,
)
from adapters.venues.registry import NoVenue, private_venue, public_venue, served


def test_ccxt_is_imported_on_first_use_only() -> None:
    program = (
        "import sys, adapters.venues.registry as r, adapters.settings as s, "
        "adapters.venues.ccxt.private, adapters.venues.ccxt.perpetual\n"
        "v = r.private_venue(s.Settings(), 'binance', 'a', {})\n"
        "m = r.public_venue(s.Settings(), 'binance')\n"
        "print('ccxt' in sys.modules)"
    )
    told = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True
    )
    assert told.stdout.strip() == "False"


def test_the_registry_serves_what_ccxt_speaks_to() -> None:
    names = served(Settings())
    assert {"binance", "binance_perpetual", "okx", "kraken"} <= set(names)
    assert "xrpl" not in names
    for make in (public_venue, lambda settings, name: private_venue(settings, name, "a", {})):
        for name, text in (("nowhere", "no connector 'nowhere'"), ("xrpl", "cannot be traded")):
            with pytest.raises(NoVenue, match=text):
                make(Settings(), name)


def test_a_venue_that_is_away_is_unreachable() -> None:
    async def scenario() -> None:
        settings = Settings(venue_urls={"binance": "http://127.0.0.1:9"})
        venue: Any = private_venue(settings, "binance", "a", {})
        began = time.monotonic()
        try:
            with pytest.raises(VenueUnreachable):
                await venue.time_us()
            assert time.monotonic() - began < 20
        finally:
            await venue.close()
        with pytest.raises(VenueUnreachable, match="closed"):
            await venue.balances()

    asyncio.run(scenario())
