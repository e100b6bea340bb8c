"""Balances on the wire: asked of venues by a worker, priced by what markets tell."""

from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from adapters.venues.port import Balance, Ticker, VenueRefused, VenueUnreachable
from api.accounts import asking
from domain.account import AddConnector
from tests.api.live import Live, running
from tests.api.perpetual import ACCOUNT
from tests.market.scripted import ScriptedVenue
from tests.postgres_fixture import Database
from tests.questions.world import Spot, Venue, answering_beside, desks_of

pytestmark = pytest.mark.postgres
PATH = f"/accounts/{ACCOUNT}/balances"


@pytest.fixture
def held(database: Callable[..., Database], seeded: Database, tmp_path: Path) -> Iterator[Live]:
    """An API whose master account has two connectors; the market of one has a price."""
    market = ScriptedVenue()
    market.pair_tickers = {"EUR-USD": ticker("EUR-USD", "1.25")}
    with running(database(template=seeded), tmp_path, {"paper": market}) as live:
        live.execute(f"account-{ACCOUNT}", AddConnector(ACCOUNT, "binance"), "add")
        live.project()
        yield live


def balance(token: str, total: str, available: str | None = None) -> Balance:
    return Balance(token=token, total=Decimal(total), available=Decimal(available or total))


def ticker(pair: str, last: str) -> Ticker:
    return Ticker(pair=pair, bid=None, ask=None, last=Decimal(last), at_us=1)


def test_balances_are_told_with_what_they_are_worth(held: Live) -> None:
    paper = Spot(None, balance("EUR", "10.50", "4"), balance("USD", "3"), balance("XYZ", "7"))
    binance = Spot(None, balance("BTC", "0.000000010000000001"), balance("ETH", "0"))
    with answering_beside(held.database, desks_of(ACCOUNT, paper=paper, binance=binance)):
        answer = held.client.get(PATH)
    assert answer.status_code == 200, answer.text
    assert answer.json()["binance"] == [
        {
            "token": "BTC",
            "units": 1.0000000001e-08,
            "price": None,
            "value": None,
            "available_units": 1.0000000001e-08,
        }
    ]
    assert b"1.0000000001E-8" in answer.content or b"0.000000010000000001" in answer.content
    assert b'"value":13.1250' in answer.content
    worth = {row["token"]: (row["price"], row["value"]) for row in answer.json()["paper"]}
    assert (worth["EUR"], worth["USD"]) == ((1.25, 13.125), (1, 3))
    assert worth["XYZ"] == (None, None)
    assert [row["available_units"] for row in answer.json()["paper"]] == [4, 3, 7]
    assert "Aviary-Incomplete" not in answer.headers
    assert int(answer.headers["Log-Position"]) == held.head()


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (VenueUnreachable("timed out"), 503),
        (VenueRefused("-2015", "Invalid API-key,\r\nIP, or permissions \u20ac"), 502),
    ],
)
def test_a_connector_that_fails_is_named_and_never_shown_as_empty(
    held: Live, error: Exception, status: int
) -> None:
    desks = desks_of(ACCOUNT, paper=Spot(None, balance("EUR", "1")), binance=Spot(error))
    with answering_beside(held.database, desks):
        answer = held.client.get(PATH)
        named = held.client.get(PATH, params={"connector_names": ["binance", "paper"]})
        other = held.client.get(PATH, params={"connector_names": "paper"})
    assert (answer.status_code, set(answer.json())) == (200, {"paper"})
    assert answer.headers["Aviary-Incomplete"].startswith("binance: The venue 'binance'")
    assert named.status_code == status
    assert (other.status_code, set(other.json())) == (200, {"paper"})
    assert "Aviary-Incomplete" not in other.headers


def test_where_nothing_answers_the_answer_is_no_empty_map(
    held: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "TAKEN_SECONDS", 0.1)
    answer = held.client.get(PATH)
    assert (answer.status_code, answer.json()["code"]) == (503, "no_worker")
    assert "No worker holds account" in answer.json()["detail"]


def test_balances_of_a_moment_ago_will_do_unless_fresh_ones_are_wanted(held: Live) -> None:
    venue = Spot(None, balance("EUR", "1"))
    query: dict[str, Any] = {"connector_names": "paper"}
    with answering_beside(held.database, desks_of(ACCOUNT, paper=venue)):
        for _ in range(3):
            assert held.client.get(PATH, params={**query, "refresh": True}).status_code == 200
        assert venue.asked == 3


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/accounts/nobody/balances", 404, "unknown_account"),
        ("/accounts/no%20body/balances", 400, "invalid_name"),
        (f"{PATH}?connector_names=okx", 404, "unknown_connector"),
        (f"{PATH}?refresh=perhaps", 422, None),
    ],
)
def test_bad_requests_say_why(shared: Live, path: str, status: int, code: str | None) -> None:
    shared.project()
    answer = shared.client.get(path)
    assert (answer.status_code, answer.json().get("code")) == (status, code), answer.text


def test_the_position_mode_is_the_venues(held: Live) -> None:
    add = AddConnector(ACCOUNT, "binance_perpetual")
    held.execute(f"account-{ACCOUNT}", add, "add perpetual")
    held.project()
    with answering_beside(held.database, desks_of(ACCOUNT, binance_perpetual=Venue())):
        answer = held.client.get(f"/trading/{ACCOUNT}/binance_perpetual/position-mode")
    assert answer.json() == {
        "position_mode": "HEDGE",
        "connector": "binance_perpetual",
        "account": ACCOUNT,
    }
