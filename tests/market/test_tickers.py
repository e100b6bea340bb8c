"""The pool of tickers: who is in it, what is fetched when, and what an old price is worth."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from adapters.venues.market_port import PublicVenue
from adapters.venues.port import VenueUnreachable
from adapters.venues.registry import NoVenue
from api.market import prices as prices_module
from api.market import tickers as tickers_module
from api.market.prices import LastPrices, MergedPrices
from api.market.tickers import Tickers
from api.market.venues import Venues
from tests.market.scripted import ScriptedVenue, ticker

NAMES = ("paper", "binance", "kraken")


class Market:
    def __init__(self) -> None:
        self.by_name = {name: ScriptedVenue(name=name) for name in NAMES}
        for number, venue in enumerate(self.by_name.values(), 1):
            venue.pair_tickers = {"A-B": ticker("A-B", str(number), str(number))}
        self.in_use: list[str] = []
        self.venues = Venues(self._make, NAMES)
        self.tickers = Tickers(self.venues, lambda: self.in_use)

    async def _make(self, name: str) -> PublicVenue:
        return self.by_name[name]

    def asked(self) -> list[int]:
        return [venue.asked["tickers"] for venue in self.by_name.values()]


def play(scenario: Callable[[Market], Awaitable[None]]) -> None:
    async def with_market() -> None:
        async with asyncio.timeout(60):
            await scenario(Market())

    asyncio.run(with_market())


def test_the_pool_is_what_is_used() -> None:
    async def scenario(market: Market) -> None:
        assert await market.tickers.pool() == {}
        market.in_use = ["paper"]
        assert set(await market.tickers.pool()) == {"paper"}
        await market.tickers.of(["binance"])
        assert set(await market.tickers.pool()) == {"paper", "binance"}
        assert market.asked() == [1, 1, 0]

    play(scenario)


def test_many_readers_are_one_fetch() -> None:
    async def scenario(market: Market) -> None:
        market.in_use = list(NAMES)
        await asyncio.gather(*(market.tickers.pool() for _ in range(10)))
        assert market.asked() == [1, 1, 1]
        version = market.tickers.version
        await market.tickers.pool()
        assert market.tickers.version == version

    play(scenario)


def test_a_connector_that_fails_is_left_alone_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(market: Market) -> None:
        market.in_use = ["paper", "binance"]
        market.by_name["paper"].is_away = True
        for _ in range(5):
            pool = await market.tickers.pool()
            assert isinstance(pool["paper"].error, VenueUnreachable)
            assert pool["binance"].error is None
        assert market.asked() == [1, 1, 0]
        market.by_name["paper"].is_away = False
        monkeypatch.setattr(tickers_module, "RETRY_SECONDS", -1.0)
        assert (await market.tickers.pool())["paper"].error is None

    play(scenario)


def test_a_slow_venue_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tickers_module, "POOL_SECONDS", 0.5)

    async def scenario(market: Market) -> None:
        market.in_use = ["paper", "binance"]
        gate = market.by_name["paper"].gate = asyncio.Event()
        pool = await market.tickers.pool()
        assert (len(pool["paper"].tickers), len(pool["binance"].tickers)) == (0, 1)
        gate.set()
        assert len((await market.tickers.of(["paper"]))["paper"].tickers) == 1
        assert market.asked() == [1, 1, 0]

    play(scenario)


def test_an_unexpected_failure_is_none_of_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(market: Market) -> None:
        async def broken(_: object = None) -> None:
            raise KeyError("symbol")

        monkeypatch.setattr(market.by_name["paper"], "tickers", broken)
        found = await market.tickers.of(["paper", "binance"])
        assert "logged" in str(found["paper"].error)
        assert set(found["binance"].tickers) == {"A-B"}

    play(scenario)


def test_connectors_that_nobody_reads_leave_the_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(market: Market) -> None:
        await market.tickers.of(["paper"])
        monkeypatch.setattr(tickers_module, "IDLE_SECONDS", -1.0)
        assert await market.tickers.pool() == {}
        assert list(market.tickers.ages()) == []

    play(scenario)


def test_unknown_connectors_fetch_nothing() -> None:
    async def scenario(market: Market) -> None:
        with pytest.raises(NoVenue):
            await market.tickers.of(["paper", "nothing"])
        assert market.asked() == [0, 0, 0]

    play(scenario)


def test_rates_are_made_of_prices_that_are_fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(market: Market) -> None:
        merged = MergedPrices(market.tickers)
        market.in_use = list(NAMES)
        assert await merged.prices() == {"A-B": 3}  # kraken's: the largest turnover
        assert await merged.prices("paper") == {"A-B": 1}
        monkeypatch.setattr(prices_module, "PRICE_SECONDS_MAX", -1.0)
        assert await merged.prices() == {}
        assert await merged.prices("paper") == {}

    play(scenario)


def test_prices_of_single_pairs_are_shared_and_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prices_module, "KEPT_SECONDS", 30.0)
    monkeypatch.setattr(prices_module, "_KEPT_MAX", 10)

    async def scenario(market: Market) -> None:
        last = LastPrices(market.venues)
        for _ in range(3):
            assert set(await last.of("paper", ["A-B", "NO-PAIR"])) == {"A-B"}
        assert market.asked() == [1, 0, 0]
        for number in range(50):
            await last.of("paper", [f"P{number}-B"])
        assert len(last) == 10

    play(scenario)
