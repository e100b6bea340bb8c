import time
from decimal import Decimal

import pytest
from prometheus_client.parser import text_string_to_metric_families

from domain import portfolio
from domain.portfolio import ConnectorHeld, ObservePortfolio, SilentVenue, TokenHeld
from tests.api.live import Live

pytestmark = pytest.mark.postgres
ACCOUNT = "master_account"
EUR = TokenHeld("EUR", Decimal(1), Decimal(1), None)


def observe(live: Live, seconds_ago: int, *told: str, silent: str = "") -> None:
    us = (int(time.time()) - seconds_ago) * 1_000_000
    held = tuple(ConnectorHeld(name, us, (EUR,)) for name in told)
    silences = (SilentVenue(silent, "timed out"),) if silent else ()
    command = ObservePortfolio(ACCOUNT, "USDT", "interval", us, held, silences)
    live.execute(portfolio.stream(ACCOUNT), command, f"observe {us}")
    live.project()


def shown(live: Live, name: str) -> dict[tuple[str, ...], float]:
    families = text_string_to_metric_families(live.client.get("/metrics").text)
    return {
        tuple(sample.labels.values()): sample.value
        for family in families
        if family.name == name
        for sample in family.samples
    }


def test_how_old_the_last_snapshot_is_and_which_venues_were_silent_are_metrics(live: Live) -> None:
    observe(live, 100, "binance", "paper")
    assert 100 <= shown(live, "portfolio_age_seconds")[ACCOUNT,] < 160
    assert shown(live, "portfolio_venue_silent") == {}
    observe(live, 50, "paper", silent="binance")
    assert 50 <= shown(live, "portfolio_age_seconds")[ACCOUNT,] < 99
    assert shown(live, "portfolio_venue_silent") == {(ACCOUNT, "binance"): 1}
    observe(live, 0, "paper")
    assert shown(live, "portfolio_venue_silent") == {}


def test_an_account_that_lost_its_last_connector_grows_no_older(live: Live) -> None:
    observe(live, 100, "paper")
    observe(live, 50)
    assert shown(live, "portfolio_age_seconds") == {}
