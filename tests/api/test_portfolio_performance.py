"""Performance on the wire, out of a real lake, against the same reckoned the slow way."""

import random
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from api.portfolio.returns import figures
from domain.account import DeleteAccount
from tests.api.holding import MINUTE_US, NOON_US, Held, both, observe
from tests.api.live import Live, running
from tests.api.test_returns import moved
from tests.lakes import Lake, catch_up_lake
from tests.postgres_fixture import Database

pytestmark = pytest.mark.postgres
SECONDS = {"5m": 300, "15m": 900, "30m": 1800, "1h": 3600, "4h": 14400, "12h": 43200, "1d": 86400}
SINCE = {"start_time": NOON_US // 10**6 - 3600, "end_time": NOON_US // 10**6 + 86_400 * 30}


class Standing(NamedTuple):
    live: Live
    lake: Lake

    def fold(self) -> None:
        self.live.project()
        catch_up_lake(self.lake, self.live.database.app_dsn)

    def ask(self, **asked: Any) -> Any:
        return both(self.live, "performance", {**SINCE, **asked})


@pytest.fixture
def standing(
    database: Callable[..., Database], seeded: Database, lake: Lake, tmp_path: Path
) -> Iterator[Standing]:
    with running(database(template=seeded), tmp_path, **lake.changed) as live:
        yield Standing(live, lake)


def worth(value: str, connector: str = "paper") -> Held:
    return {connector: {"EUR": (value, "1"), "XYZ": ("5", None)}}


def iso(minute: int) -> str:
    return datetime.fromtimestamp((NOON_US + minute * MINUTE_US) // 10**6, UTC).isoformat()


def test_a_deleted_account_counts_no_more(standing: Standing) -> None:
    for name, value in (("first", "100"), ("gone", "50")):
        observe(standing.live, name, NOON_US, worth(value))
    standing.live.execute("account-gone", DeleteAccount("gone"), "delete gone")
    standing.fold()
    values = [point["value"] for point in standing.ask(interval="1d", end_time=None)["series"]]
    assert values[0] == values[-2] == 150
    assert values[-1] == 100


def test_accounts_keep_their_value_where_they_have_no_snapshot(standing: Standing) -> None:
    for minute, value in ((0, "100"), (59, "110"), (60, "99"), (190, "108.9")):
        observe(standing.live, "first", NOON_US + minute * MINUTE_US, worth(value))
    observe(standing.live, "second", NOON_US + 70 * MINUTE_US, worth("50", "okx"))
    standing.fold()
    found = standing.ask()
    assert found["series"] == [
        {"timestamp": iso(0), "value": 110},
        {"timestamp": iso(60), "value": 149},
        {"timestamp": iso(120), "value": 149},
        {"timestamp": iso(180), "value": 158.9},
    ]
    assert (found["start_time"], found["end_time"]) == (iso(0), iso(180))
    assert (found["start_value"], found["end_value"], found["pnl"]) == (110, 158.9, 48.9)
    assert found["pnl_pct"] == 44.4545
    first = found["by_account"]["first"]
    assert (first["start_value"], first["end_value"], first["max_drawdown_pct"]) == (110, 108.9, 10)
    second = found["by_account"]["second"]
    assert (second["pnl"], second["volatility"], second["sharpe_ratio"]) == (0, 0, None)
    assert found["unpriced"] == ["XYZ"]
    assert "not separated" in found["basis"]
    assert standing.ask(account_names=["second"])["start_value"] == 50
    assert standing.ask(connector_names=["okx"])["by_account"]["first"]["end_value"] == 0


def slowly(
    snapshots: Mapping[str, list[tuple[int, float]]], seconds: int
) -> dict[str, list[tuple[int, float]]]:
    """(bucket, value) by account, and of all under the empty name."""
    last = {
        account: {at // (seconds * 10**6): value for at, value in sorted(seen)}
        for account, seen in snapshots.items()
    }
    buckets = [bucket for its in last.values() for bucket in its]
    lines: dict[str, list[tuple[int, float]]] = {}
    for account, its in last.items():
        line: list[tuple[int, float]] = []
        for bucket in range(min(its), max(buckets) + 1):
            line.append((bucket, its.get(bucket, line[-1][1] if line else 0.0)))
        lines[account] = line
    known = {account: dict(line) for account, line in lines.items()}
    lines[""] = [
        (bucket, sum(its.get(bucket, 0.0) for its in known.values()))
        for bucket in range(min(buckets), max(buckets) + 1)
    ]
    return lines


@pytest.mark.parametrize("number", range(3))
def test_figures_are_those_of_a_slow_reckoning(standing: Standing, number: int) -> None:
    chance = random.Random(number)  # noqa: S311 - no secret
    snapshots: dict[str, list[tuple[int, float]]] = {}
    for account in ("a", "b", "c"):
        minutes = sorted(chance.sample(range(3_000), 25))
        for minute in minutes:
            value = chance.choice(
                ["0", "0.0000000001234567890123", f"{chance.uniform(1, 1e6):.4f}"]
            )
            at_us = NOON_US + minute * MINUTE_US
            observe(standing.live, account, at_us, worth(value))
            snapshots.setdefault(account, []).append((at_us, float(value)))
    standing.fold()
    for interval, seconds in SECONDS.items():
        found = standing.ask(interval=interval)
        lines = slowly(snapshots, seconds)
        values = [point["value"] for point in found["series"]]
        assert values == pytest.approx([value for _, value in lines[""]], abs=1e-5)
        shown = {**found["by_account"], "": found}
        assert set(shown) == set(lines)
        for account, line in lines.items():
            expected = figures(moved([value for _, value in line]), seconds)
            for name in expected.__struct_fields__:
                wanted = getattr(expected, name)
                assert shown[account][name] == (
                    None if wanted is None else pytest.approx(wanted, rel=1e-6, abs=1e-4)
                ), (interval, account, name)


def test_an_account_that_was_emptied_is_worth_nothing(standing: Standing) -> None:
    observe(standing.live, "gone", NOON_US, worth("100"))
    observe(standing.live, "gone", NOON_US + 60 * MINUTE_US, {"paper": {}})
    observe(standing.live, "left", NOON_US, {**worth("7"), "okx": {"USDT": ("5", "1")}})
    observe(standing.live, "left", NOON_US + 60 * MINUTE_US, worth("7"))
    standing.fold()
    found = standing.ask()
    assert [point["value"] for point in found["series"]] == [112, 7]
    assert found["by_account"]["gone"]["end_value"] == 0
    assert found["by_account"]["gone"]["max_drawdown_pct"] == 100
    assert found["unpriced"] == ["XYZ"]
    assert standing.ask(connector_names=["okx"])["by_account"]["left"]["end_value"] == 0


def test_what_it_was_then_and_once_the_lake_has_it(standing: Standing) -> None:
    then = observe(standing.live, "a", NOON_US, worth("100"))
    standing.fold()
    before = standing.ask()
    later = observe(standing.live, "a", NOON_US + 1, worth("200"))
    standing.live.project()
    late = standing.live.client.get("/portfolio/performance", params={"min_position": later})
    assert (late.status_code, late.json()["code"]) == (503, "position_not_reached")
    standing.fold()
    answer = standing.live.client.get(
        "/portfolio/performance", params={**SINCE, "as_of": then, "min_position": later}
    )
    assert (answer.json(), answer.headers["Log-Position"]) == (before, str(then))
    now = standing.live.client.get(
        "/portfolio/performance", params={**SINCE, "min_position": later}
    )
    assert now.json()["end_value"] == 200
    assert int(now.headers["Log-Position"]) >= later


def test_nothing_observed_is_no_performance(standing: Standing) -> None:
    standing.fold()
    found = standing.ask()
    assert (found["series"], found["by_account"], found["unpriced"]) == ([], {}, [])
    assert (found["start_time"], found["start_value"], found["pnl_pct"]) == (None, 0, None)


def test_without_a_start_it_is_as_long_as_it_may_be(standing: Standing) -> None:
    observe(standing.live, "a", NOON_US, worth("100"))
    standing.fold()
    found = both(standing.live, "performance", {"interval": "1d"})
    assert len(found["series"]) == 1
    early = {"interval": "5m", "end_time": NOON_US // 10**6 + 300 * 20_001}
    assert both(standing.live, "performance", early)["series"] == []


@pytest.mark.parametrize(
    ("asked", "place"),
    [
        ({"interval": "2h"}, "interval"),
        ({"start_time": 1, "interval": "1d", "end_time": 2 * 10**9}, "interval"),
        ({"start_time": 1_600_000_000, "interval": "5m"}, "interval"),
        ({"end_time": -1}, "end_time"),
        ({"account_names": "a"}, "account_names"),
    ],
)
def test_what_makes_no_sense_is_refused(shared: Live, asked: dict[str, Any], place: str) -> None:
    answer = shared.client.post("/portfolio/performance", json=asked)
    assert answer.status_code == 422, answer.text
    assert answer.json()["detail"][0]["loc"][-1] == place


def test_without_a_lake_only_performance_is_refused(shared: Live) -> None:
    shared.project()
    answer = shared.client.get("/portfolio/performance")
    assert (answer.status_code, answer.json()["code"]) == (503, "lake_unavailable")
    for path in ("state", "balances", "history", "distribution", "accounts-distribution"):
        assert shared.client.get(f"/portfolio/{path}").status_code == 200
