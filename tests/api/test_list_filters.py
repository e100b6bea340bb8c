"""Every filter that the contract names, on every list of orders and trades, and its twin."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from msgspec import Struct

from domain.account import AddConnector, OpenAccount
from domain.order_messages import PlaceOrder, RecordFill, Side
from tests.api.live import Live

pytestmark = pytest.mark.postgres
EXECUTED_SECONDS = 1_760_000_000
KINDS: tuple[tuple[str, str, str, Side], ...] = (
    ("alpha", "paper", "EUR-USD", "BUY"),
    ("alpha", "binance", "BTC-USDT", "SELL"),
    ("beta", "paper", "BTC-USDT", "BUY"),
    ("beta", "binance", "EUR-USD", "SELL"),
)
"""Account, connector, pair, side; each has two orders, the second of them filled in full."""
LISTS = {
    "active": ("/trading/orders/active", "/trading/orders"),
    "orders": ("/trading/orders/search", None),
    "trades": ("/trading/trades", "/trading/history"),
}
"""The route by body, and its twin by query where there is one."""
ROWS = {"active": 4, "orders": 8, "trades": 4}


class Case(Struct, frozen=True):
    of: str
    asked: dict[str, Any]
    rows: int

    def __str__(self) -> str:
        return f"{self.of}-{'-'.join(self.asked)}-{self.rows}"


def _cases() -> Iterator[Case]:
    for of, rows in ROWS.items():
        yield Case(of, {}, rows)
        for name, value in (
            ("account_names", "alpha"),
            ("connector_names", "binance"),
            ("trading_pairs", "BTC-USDT"),
        ):
            yield Case(of, {name: [value]}, rows // 2)
            yield Case(of, {name: [value, "other"]}, rows // 2)
            yield Case(of, {name: ["other"]}, 0)
        several = {"account_names": ["alpha"], "trading_pairs": ["EUR-USD", "BTC-USDT"]}
        yield Case(of, several, rows // 2)
        none = {"account_names": ["alpha"], "connector_names": ["paper"], "trading_pairs": ["X-Y"]}
        yield Case(of, none, 0)
    yield Case("orders", {"status": "FILLED"}, 4)
    yield Case("orders", {"status": "SUBMITTED"}, 4)
    yield Case("orders", {"status": "CANCELLED"}, 0)
    yield Case("orders", {"start_time": EXECUTED_SECONDS}, 8)
    yield Case("orders", {"end_time": EXECUTED_SECONDS}, 0)
    yield Case("trades", {"trade_types": ["BUY"]}, 2)
    yield Case("trades", {"trade_types": ["SELL", "BUY"]}, 4)
    yield Case("trades", {"start_time": EXECUTED_SECONDS + 2}, 2)
    yield Case("trades", {"end_time": EXECUTED_SECONDS + 1}, 2)
    yield Case("trades", {"start_time": 1000 * EXECUTED_SECONDS + 1001, "trade_types": ["BUY"]}, 1)


@pytest.fixture(scope="module")
def filled(shared: Live) -> Live:
    live = shared
    for name in ("alpha", "beta"):
        live.execute(f"account-{name}", OpenAccount(name), f"open {name}")
        for connector in ("paper", "binance"):
            add = AddConnector(name, connector)
            live.execute(f"account-{name}", add, f"add {name} {connector}")
    for number, (account, connector, pair, side) in enumerate(KINDS):
        for is_filled in (False, True):
            name = f"av{number}{is_filled}"
            place = PlaceOrder(
                account, connector, pair, side, "LIMIT", Decimal(1), Decimal(1), "OPEN", name
            )
            placed = live.execute(f"order-{name}", place, f"place {name}")
            assert placed.receipt.outcome == "accepted", placed.receipt
            if is_filled:
                fill = RecordFill(
                    "t1",
                    side,
                    Decimal(1),
                    Decimal(1),
                    Decimal(0),
                    "USD",
                    is_maker=False,
                    executed_at_us=(EXECUTED_SECONDS + number) * 1_000_000,
                )
                live.execute(f"order-{name}", fill, f"fill {name}")
    live.project()
    return live


def _by_body(live: Live, path: str, asked: dict[str, Any]) -> Any:
    answer = live.client.post(path, json=asked)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize("case", list(_cases()), ids=str)
def test_a_filter_narrows_its_list_to_what_it_says(filled: Live, case: Case) -> None:
    path, twin = LISTS[case.of]
    page = _by_body(filled, path, case.asked)
    assert (len(page["data"]), page["pagination"]["total_count"]) == (case.rows, case.rows)
    if twin is not None:
        answer = filled.client.get(twin, params=case.asked)
        assert answer.json() == page


@pytest.mark.parametrize("of", LISTS)
def test_a_filtered_list_is_paged_without_holes_or_repeats(filled: Live, of: str) -> None:
    path, twin = LISTS[of]
    asked: dict[str, Any] = {"trading_pairs": ["BTC-USDT"], "limit": 1}
    whole = _by_body(filled, path, asked | {"limit": 100})["data"]
    found, cursor = [], None
    for _ in range(len(whole)):
        page = _by_body(filled, path, asked | {"cursor": cursor})
        if twin is not None:
            query = asked | ({"cursor": cursor} if cursor else {})
            assert filled.client.get(twin, params=query).json() == page
        found += page["data"]
        cursor = page["pagination"]["next_cursor"]
    assert (found, cursor) == (whole, None)


@pytest.mark.parametrize(
    ("of", "asked", "loc"),
    [
        ("trades", {"trade_types": ["HOLD"]}, "trade_types"),
        ("orders", {"status": "DONE"}, "status"),
        ("active", {"trading_pairs": "BTC-USDT"}, "trading_pairs"),
    ],
)
def test_a_filter_that_is_none_is_a_422_that_names_it(
    filled: Live, of: str, asked: dict[str, Any], loc: str
) -> None:
    answer = filled.client.post(LISTS[of][0], json=asked)
    assert answer.status_code == 422
    assert loc in answer.json()["detail"][0]["loc"]
