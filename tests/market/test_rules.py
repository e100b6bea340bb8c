"""Trading rules: read when first asked for, once for all, kept while their venue is away."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from adapters.venues.market_port import PublicVenue
from adapters.venues.port import TradingRule, VenueRefused
from adapters.venues.registry import NoVenue
from api.market import rules as rules_module
from api.market.rules import Markets, NotTradable, RulesUnknown
from api.market.venues import Venues
from tests.api.live import EUR_USD
from tests.market.scripted import ScriptedVenue

Scenario = Callable[[Markets, ScriptedVenue], Awaitable[None]]


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Play with markets that refresh and retry at once."""
    monkeypatch.setattr(rules_module, "REFRESH_SECONDS", 0.01)
    monkeypatch.setattr(rules_module, "REFRESH_SHARE", 0)
    monkeypatch.setattr(rules_module, "RETRY_SECONDS", 0.01)
    monkeypatch.setattr(rules_module, "FIRST_WAIT_SECONDS", 30.0)
    monkeypatch.setattr(rules_module, "AGAIN_SECONDS", 30.0)

    def run(scenario: Scenario, always: tuple[str, ...] = ()) -> None:
        async def with_markets() -> None:
            venue = ScriptedVenue(EUR_USD)

            async def make(_: str) -> PublicVenue:
                return venue

            venues = Venues(make, ["paper", "binance"])
            markets = Markets(venues, always)
            markets.start()
            try:
                async with asyncio.timeout(60):
                    await scenario(markets, venue)
            finally:
                await markets.close()
                await venues.close()

        asyncio.run(with_markets())

    return run


async def until(check: Callable[[], bool]) -> None:
    while not check():  # noqa: ASYNC110 - what is waited for tells nobody
        await asyncio.sleep(0.002)


def test_what_will_be_asked_for_is_read_before(play: Callable[..., None]) -> None:
    async def scenario(markets: Markets, venue: ScriptedVenue) -> None:
        assert markets.are_awaited("binance")
        markets.warm(["binance", "a-venue-that-there-is-not"])
        await until(lambda: not markets.are_awaited("binance"))
        assert venue.asked["rules"] >= 1

    play(scenario)


def test_nothing_is_read_before_somebody_asks(play: Callable[..., None]) -> None:
    async def scenario(markets: Markets, venue: ScriptedVenue) -> None:
        await asyncio.sleep(0)
        assert venue.asked["rules"] == 0
        assert await markets.rule("binance", "EUR-USD") == EUR_USD
        assert dict(markets.ages()).keys() == {"binance"}

    play(scenario)


def test_those_who_ask_first_share_one_reading(play: Callable[..., None]) -> None:
    async def scenario(markets: Markets, venue: ScriptedVenue) -> None:
        venue.gate = asyncio.Event()
        asking = [asyncio.create_task(markets.rule("paper", "EUR-USD")) for _ in range(20)]
        await until(lambda: venue.asked["rules"] == 1)
        venue.gate.set()
        assert set(await asyncio.gather(*asking)) == {EUR_USD}

    play(scenario)


def test_rules_in_use_are_refreshed_and_old_ones_stay_when_that_fails(
    play: Callable[..., None],
) -> None:
    async def scenario(markets: Markets, venue: ScriptedVenue) -> None:
        await markets.rule("paper", "EUR-USD")
        venue.rules = ()
        asked = venue.asked["rules"]
        await until(lambda: venue.asked["rules"] > asked + 1)
        with pytest.raises(NotTradable, match="does not trade"):
            await markets.rule("paper", "EUR-USD")
        venue.rules = (EUR_USD,)
        asked = venue.asked["rules"]
        await until(lambda: venue.asked["rules"] > asked + 1)
        venue.is_away = True
        asked = venue.asked["rules"]
        await until(lambda: venue.asked["rules"] > asked + 1)
        assert await markets.rule("paper", "EUR-USD") == EUR_USD
        assert markets.age_seconds("paper") > 0

    play(scenario, ("paper",))


def test_rules_that_cannot_be_told_yet_are_no_guess(
    play: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(markets: Markets, venue: ScriptedVenue) -> None:
        monkeypatch.setattr(rules_module, "AGAIN_SECONDS", 0.2)
        venue.refusal = VenueRefused("restricted", "not from your country")
        with pytest.raises(RulesUnknown, match="not from your country"):
            await markets.rule("paper", "EUR-USD")
        monkeypatch.setattr(rules_module, "AGAIN_SECONDS", 30.0)
        venue.refusal = None
        assert await markets.rule("paper", "EUR-USD") == EUR_USD

    play(scenario)


def test_a_venue_that_breaks_in_an_unexpected_way_is_tried_again(
    play: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(markets: Markets, venue: ScriptedVenue) -> None:
        ways: list[object] = [KeyError("symbol"), (EUR_USD,)]

        async def broken() -> tuple[TradingRule, ...]:
            way = ways.pop(0)
            if isinstance(way, Exception):
                raise way
            return (EUR_USD,)

        monkeypatch.setattr(venue, "trading_rules", broken)
        assert await markets.rule("paper", "EUR-USD") == EUR_USD

    play(scenario)


def test_rules_that_nobody_asks_for_are_dropped(
    play: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules_module, "IDLE_SECONDS", 0.05)

    async def scenario(markets: Markets, venue: ScriptedVenue) -> None:
        await markets.rule("binance", "EUR-USD")
        await until(lambda: dict(markets.ages()).keys() == {"paper"})
        assert await markets.rule("binance", "EUR-USD") == EUR_USD
        assert venue.asked["rules"] > 1

    play(scenario, ("paper",))


def test_unknown_connectors_begin_nothing(play: Callable[..., None]) -> None:
    async def scenario(markets: Markets, venue: ScriptedVenue) -> None:
        with pytest.raises(NotTradable, match="There is no connector 'nothing' here"):
            await markets.rule("nothing", "EUR-USD")
        with pytest.raises(NoVenue):
            await markets.rules("nothing")
        assert venue.asked.total() == 0
        assert list(markets.ages()) == []

    play(scenario)
