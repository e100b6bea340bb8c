"""Sums over many accounts: each holding is looked at once, and in its own account only."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from api.portfolio import figures
from api.portfolio.figures import Holding, accounts_distribution, distribution, holdings
from projections.portfolios import PortfolioRow
from tests.api.holding import NOON_US, observe
from tests.api.live import PASSWORD, USER, Live

ACCOUNTS, TOKENS, CONNECTORS = 60, 10, ("binance", "okx")


class Name(str):
    """Counts how often names are held against each other."""

    __slots__ = ()
    compared = 0
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        Name.compared += 1
        return str.__eq__(self, other)


def row(number: int) -> PortfolioRow:
    item = {"price": 1, "value": number, "units": number, "available_units": 0}
    items = [{**item, "token": f"T{token}"} for token in range(TOKENS)]
    return PortfolioRow(
        key=Name(f"a{number}"),
        quote="USDT",
        asked_at_us=1,
        document=msgspec.json.encode(dict.fromkeys(CONNECTORS, items)).decode(),
        silences="{}",
        position=1,
    )


def test_sums_by_account_do_not_look_at_every_account_for_each() -> None:
    rows = [row(number) for number in range(1, ACCOUNTS + 1)]
    held = holdings(rows)
    Name.compared = 0
    by_token, by_account = distribution(held), accounts_distribution(rows, held)
    assert Name.compared <= len(held)
    places = len(CONNECTORS)
    whole = sum(range(1, ACCOUNTS + 1)) * TOKENS * places
    assert by_token["total_portfolio_value"] == by_account["total_portfolio_value"] == whole
    for token in by_token["distribution"]:
        values = {name: its["value"] for name, its in token["accounts"].items()}
        assert values == {its.key: Decimal(int(its.key[1:]) * places) for its in rows}
        assert [list(its["connectors"]) for its in token["accounts"].values()] == (
            [list(CONNECTORS)] * ACCOUNTS
        )
    shown = {its["account"]: its for its in by_account["distribution"]}
    for its in rows:
        number = int(its.key[1:])
        assert shown[its.key]["total_value"] == number * TOKENS * places
        assert [part["value"] for part in shown[its.key]["connectors"].values()] == (
            [number * TOKENS] * places
        )


@pytest.mark.postgres
def test_while_sums_are_made_the_loop_serves_others(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, going_on = threading.Event(), threading.Event()

    def waits(rows: Sequence[PortfolioRow], held: Sequence[Holding]) -> dict[str, Any]:
        begun.set()
        assert going_on.wait(60)
        return accounts_distribution(rows, held)

    observe(live, "master_account", NOON_US, {"paper": {"EUR": ("1", "1")}})
    live.project()
    monkeypatch.setattr(figures, "accounts_distribution", waits)
    with live.connect((USER, PASSWORD)) as other, ThreadPoolExecutor(1) as asking:
        slow = asking.submit(live.client.get, "/portfolio/accounts-distribution")
        assert begun.wait(60)
        try:
            assert other.get("/accounts", timeout=30).status_code == 200
        finally:
            going_on.set()
        assert slow.result().json()["total_portfolio_value"] == 1
