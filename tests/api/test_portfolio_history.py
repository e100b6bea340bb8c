"""The portfolio's history: pages by interval, gaps, cursors, times."""

from datetime import UTC, datetime
from typing import Any

import pytest

from api.portfolio import history
from domain.account import DeleteAccount
from tests.api.holding import MINUTE_US, NOON_US, both, observe
from tests.api.live import Live

pytestmark = pytest.mark.postgres
INTERVALS = {"5m": 5, "15m": 15, "30m": 30, "1h": 60, "4h": 240, "12h": 720, "1d": 1440}


def held(units: int) -> dict[str, dict[str, tuple[str, str | None]]]:
    return {"paper": {"EUR": (str(units), "2")}}


def iso(minute: int) -> str:
    at = datetime.fromtimestamp((NOON_US + minute * MINUTE_US) // 10**6, UTC)
    return at.isoformat()


def fill(live: Live, minutes: list[int], account: str = "master_account") -> None:
    """At each minute from noon on the account holds as many units as the minute has number."""
    for minute in minutes:
        observe(live, account, NOON_US + minute * MINUTE_US, held(minute))
    live.project()


def walked(live: Live, **asked: Any) -> list[dict[str, Any]]:
    """All entries of all pages."""
    found: list[dict[str, Any]] = []
    cursor = None
    while True:
        page = both(live, "history", {**asked, "cursor": cursor})
        found += page["data"]
        assert page["pagination"]["current_cursor"] == cursor
        if not page["pagination"]["has_more"]:
            assert page["pagination"]["next_cursor"] is None
            return found
        assert page["data"], "a page that promises more has entries"
        cursor = page["pagination"]["next_cursor"]


def units(entries: list[dict[str, Any]], account: str = "master_account") -> list[int]:
    return [int(entry["state"][account]["paper"][0]["units"]) for entry in entries]


def expected(minutes: list[int], length: int) -> list[int]:
    """The last minute of each bucket, newest first, found the slow way."""
    last: dict[int, int] = {}
    for minute in sorted(minutes):
        last[(NOON_US // MINUTE_US + minute) // length] = minute
    return sorted(last.values(), reverse=True)


EVERY_MINUTE = list(range(40))
EVERY_SEVEN = list(range(0, 700, 7))
WITH_GAPS = [0, 1, 2, 3, 90, 91, 1500, 1501, 1502, 4000, 9000, 9003, 9007]


@pytest.mark.parametrize("minutes", [EVERY_MINUTE, EVERY_SEVEN, WITH_GAPS])
def test_sampling_is_right_with_any_gaps(live: Live, minutes: list[int]) -> None:
    fill(live, minutes)
    for interval, length in INTERVALS.items():
        for limit in (1, 3, 1000):
            found = walked(live, interval=interval, limit=limit)
            assert units(found) == expected(minutes, length), (interval, limit)
            named = walked(live, interval=interval, limit=limit, account_names=["master_account"])
            assert named == found


def test_an_entry_says_its_last_minute_and_holds_all_accounts_of_its_interval(live: Live) -> None:
    fill(live, [0, 6])
    fill(live, [3, 7], "second")
    page = both(live, "history", {})
    assert [entry["timestamp"] for entry in page["data"]] == [iso(7), iso(3)]
    assert [list(entry["state"]) for entry in page["data"]] == [["master_account", "second"]] * 2
    assert page["pagination"] == {
        "limit": 100,
        "has_more": False,
        "next_cursor": None,
        "current_cursor": None,
        "filters": {
            "account_names": None,
            "connector_names": None,
            "start_time": None,
            "end_time": None,
            "interval": "5m",
        },
    }


def test_the_last_snapshot_of_a_minute_counts(live: Live) -> None:
    observe(live, "master_account", NOON_US + 1, held(1))
    observe(live, "master_account", NOON_US + 59_999_999, held(2))
    live.project()
    (entry,) = both(live, "history", {})["data"]
    assert (entry["timestamp"], units([entry])) == (iso(0), [2])


@pytest.mark.parametrize("unit", [1, 1000])
def test_times_are_seconds_or_milliseconds(live: Live, unit: int) -> None:
    fill(live, [0, 10, 20, 30])
    noon = NOON_US // 10**6

    def at(minute: int) -> int:
        return (noon + minute * 60) * unit

    assert units(walked(live, start_time=at(10), end_time=at(20))) == [20, 10]
    assert units(walked(live, start_time=at(11))) == [30, 20]
    assert units(walked(live, end_time=at(9))) == [0]
    assert walked(live, start_time=at(21), end_time=at(29)) == []
    assert walked(live, start_time=at(30), end_time=at(0)) == []


def test_a_time_within_an_interval_cuts_it(live: Live) -> None:
    fill(live, [0, 10, 20, 70])
    end = NOON_US // 10**6 + 15 * 60
    for interval in INTERVALS:
        assert units(walked(live, interval=interval, end_time=end))[0] == 10
    start = NOON_US // 10**6 + 15 * 60
    assert units(walked(live, interval="1d", start_time=start, end_time=start + 600)) == [20]


def test_filters_take_several_accounts_and_connectors(live: Live) -> None:
    for number, account in enumerate(("a", "b", "c")):
        for minute in (0, 5):
            many = {
                "binance": {"BTC": (str(number), "1")},
                "okx": {"ETH": (str(minute), "1")},
                "paper": {"EUR": ("1", "1")},
            }
            observe(live, account, NOON_US + minute * MINUTE_US, many)
    live.project()
    asked = {"account_names": ["c", "a", "nobody"], "connector_names": ["okx", "paper"]}
    page = both(live, "history", {**asked, "limit": 1})
    assert page["pagination"]["filters"]["account_names"] == asked["account_names"]
    (entry,) = page["data"]
    assert {name: list(its) for name, its in entry["state"].items()} == {
        "a": ["okx", "paper"],
        "c": ["okx", "paper"],
    }
    assert page["pagination"]["has_more"]
    only_okx = walked(live, connector_names=["okx"])
    assert [entry["state"]["b"] for entry in only_okx] == [
        {"okx": [_eth(5)]},
        {"okx": [_eth(0)]},
    ]
    assert walked(live, account_names=["nobody"]) == []


def _eth(count: int) -> dict[str, Any]:
    return {"token": "ETH", "units": count, "price": 1, "value": count, "available_units": count}


def test_pages_neither_repeat_nor_miss_while_snapshots_are_added(live: Live) -> None:
    fill(live, list(range(0, 100, 5)))
    first = both(live, "history", {"limit": 7})
    seen = units(first["data"])
    newest = 100
    page = first
    while page["pagination"]["has_more"]:
        fill(live, [newest, newest + 1])
        newest += 5
        page = both(live, "history", {"limit": 7, "cursor": page["pagination"]["next_cursor"]})
        seen += units(page["data"])
    assert seen == list(range(95, -1, -5))


def test_a_page_of_many_accounts_may_be_shorter_than_its_limit(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    for account in ("a", "b", "c"):
        fill(live, list(range(0, 40, 5)), account)
    monkeypatch.setattr(history, "ROWS_MAX", 7)
    first = both(live, "history", {})
    assert (len(first["data"]), first["pagination"]["has_more"]) == (2, True)
    assert units(walked(live), "b") == list(range(35, -1, -5))


def test_the_history_of_a_deleted_account_stays(live: Live) -> None:
    fill(live, [0], "gone")
    live.execute("account-gone", DeleteAccount("gone"), "delete")
    live.project()
    assert units(both(live, "history", {})["data"], "gone") == [0]


def test_nothing_observed_is_an_empty_page(live: Live) -> None:
    live.project()
    page = both(live, "history", {"start_time": 1, "interval": "1d"})
    assert (page["data"], page["pagination"]["has_more"]) == ([], False)


@pytest.mark.parametrize(
    ("asked", "place"),
    [
        ({"interval": "2h"}, "interval"),
        ({"interval": "1s"}, "interval"),
        ({"limit": 0}, "limit"),
        ({"limit": 1001}, "limit"),
        ({"start_time": -1}, "start_time"),
        ({"end_time": "yesterday"}, "end_time"),
        ({"start_time": 10**20}, "start_time"),
        ({"cursor": 7}, "cursor"),
        ({"cursor": "garbage"}, "cursor"),
        ({"cursor": "2025-13-40T00:00:00+00:00"}, "cursor"),
        ({"cursor": "2025-06-15"}, "cursor"),
        ({"cursor": "9" * 500}, "cursor"),
    ],
)
def test_what_makes_no_sense_is_refused(shared: Live, asked: dict[str, Any], place: str) -> None:
    answer = shared.client.post("/portfolio/history", json=asked)
    assert answer.status_code == 422, answer.text
    assert answer.json()["detail"][0]["loc"][-1] == place


def test_a_cursor_may_come_unescaped(live: Live) -> None:
    fill(live, [0, 5])
    answer = live.client.get(f"/portfolio/history?cursor={iso(5)}")
    assert units(answer.json()["data"]) == [0]
    assert live.client.get("/portfolio/history?cursor=&interval=1d").json()["data"]


def test_the_first_and_the_last_times_are_no_error(live: Live) -> None:
    fill(live, [0])
    for cursor in ("0001-01-01T00:00:00+00:00", "9999-12-31T23:59:59Z"):
        page = both(live, "history", {"cursor": cursor, "interval": "1d"})
        assert len(page["data"]) == (cursor[0] == "9")
