from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import pytest
from msgspec import structs

from adapters.venues.market_port import FundingInfo
from api.market import books, prices
from tests.api.conftest import seeded
from tests.api.live import EUR_USD, Live, running
from tests.market.scripted import ScriptedVenue, book, ticker
from tests.postgres_fixture import Database

__all__ = ["seeded"]


class Stage:
    """An API whose connectors `paper` and `binance_perpetual` are scripted; the rest is real."""

    def __init__(self, live: Live, paper: ScriptedVenue, perpetual: ScriptedVenue) -> None:
        self.live = live
        self.client = live.client
        self.paper = paper
        self.perpetual = perpetual


@contextmanager
def staged(database: Database, folder: Path) -> Iterator[Stage]:
    paper = ScriptedVenue(EUR_USD, structs.replace(EUR_USD, pair="BTC-USD", base="BTC"))
    paper.books["EUR-USD"] = book(
        "EUR-USD", {"1.09": "10", "1.08": "20.5"}, {"1.1": "5", "1.2": "10"}
    )
    paper.pair_tickers = {
        "EUR-USD": ticker("EUR-USD", "1.1", "1000"),
        "BTC-USD": ticker("BTC-USD", "50000"),
    }
    perpetual = ScriptedVenue(EUR_USD, name="binance_perpetual")
    perpetual.is_perpetual = True
    perpetual.pair_tickers = {
        "EUR-USD": ticker("EUR-USD", "1.11", "2000"),
        "ETH-BTC": ticker("ETH-BTC", "0.04"),
    }
    perpetual.funding["EUR-USD"] = FundingInfo(
        pair="EUR-USD",
        rate=Decimal("0.0001"),
        next_at_us=1_700_000_000_000_000,
        mark_price=Decimal("1.1"),
        index_price=None,
    )
    venues = {"paper": paper, "binance_perpetual": perpetual}
    with running(database, folder, venues) as live:
        yield Stage(live, paper, perpetual)


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is kept for a moment is kept for as long as a slow machine needs for the next step."""
    monkeypatch.setattr(books, "KEPT_SECONDS", 60.0)
    monkeypatch.setattr(prices, "KEPT_SECONDS", 60.0)


@pytest.fixture
def stage(database: Callable[..., Database], seeded: Database, tmp_path: Path) -> Iterator[Stage]:
    with staged(database(template=seeded), tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def shared_stage(
    database: Callable[..., Database], seeded: Database, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    """One for all tests of a file that change nothing at the venues."""
    with staged(database(template=seeded), tmp_path_factory.mktemp("api")) as made:
        yield made
