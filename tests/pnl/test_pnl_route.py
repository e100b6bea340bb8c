"""Profit and loss on the wire: figures, prices, pages, the past, and a model that has halted."""

from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import structs

from adapters.venues.port import Ticker
from api import status
from domain.account import AddConnector, OpenAccount
from domain.order_messages import RecordFill, Side
from projections import PROJECTIONS, pnl
from tests.api.holding import NOON_US, observe
from tests.api.live import EUR_USD, Live, running
from tests.market.scripted import ScriptedVenue
from tests.messages import PLACE
from tests.postgres_fixture import Database
from workers.projecting import parked
from workers.projecting.projector import catch_up

pytestmark = pytest.mark.postgres

PATH = "/portfolio/pnl"
MAIN = "master_account"


@pytest.fixture
def venue() -> ScriptedVenue:
    return ScriptedVenue(EUR_USD)


@pytest.fixture
def live(
    database: Callable[..., Database], seeded: Database, tmp_path: Path, venue: ScriptedVenue
) -> Iterator[Live]:
    with running(database(template=seeded), tmp_path, {"paper": venue}) as server:
        yield server


def trade(
    live: Live,
    side: Side,
    quantity: str,
    price: str,
    fee: str = "0 USDT",
    pair: str = "BTC-USDT",
    account: str = MAIN,
) -> int:
    """An order's one fill, in the read models."""
    number = live.head()
    order = f"av{number}"
    place = structs.replace(PLACE, account=account, pair=pair, client_order_id=order)
    live.execute(f"order-{order}", place, f"place {order}")
    charged, token = fee.split()
    amounts = (Decimal(quantity), Decimal(price), Decimal(charged))
    fill = RecordFill(
        f"t{number}", side, *amounts, token, is_maker=False, executed_at_us=NOON_US + number
    )
    live.execute(f"order-{order}", fill, f"fill {order}")
    return live.project()


def ticker(venue: ScriptedVenue, last: str, pair: str = "BTC-USDT", at_us: int = NOON_US) -> None:
    venue.pair_tickers[pair] = Ticker(
        pair=pair, bid=None, ask=None, last=Decimal(last), at_us=at_us
    )


def items(live: Live, **asked: Any) -> list[dict[str, Any]]:
    answer = live.client.get(PATH, params=asked)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["data"]
    return found


def test_a_pair_is_shown_with_all_its_figures(live: Live, venue: ScriptedVenue) -> None:
    first = live.head()
    trade(live, "BUY", "1", "100", "0.5 USDT")
    trade(live, "BUY", "2.002", "130", "0.002 BTC")
    position = trade(live, "SELL", "1", "150", "0.01 BNB")
    ticker(venue, "160")
    answer = live.client.get(PATH)
    assert answer.headers["Log-Position"] == str(position)
    assert answer.json() == {
        "data": [
            {
                "account_name": MAIN,
                "connector_name": "paper",
                "trading_pair": "BTC-USDT",
                "position_side": "LONG",
                "net_amount_base": 2,
                "average_cost": {
                    "realized_pnl_quote": 30,
                    "open_cost_quote": 240,
                    "breakeven_price": 120,
                    "unrealized_pnl_quote": 80,
                },
                "fifo": {
                    "realized_pnl_quote": 50,
                    "open_cost_quote": 260,
                    "breakeven_price": 130,
                    "unrealized_pnl_quote": 60,
                },
                "price": 160,
                "priced_at": "2025-06-15T12:00:00+00:00",
                "price_source": "ticker",
                "buy_amount_base": 3.002,
                "buy_amount_quote": 360.26,
                "sell_amount_base": 1,
                "sell_amount_quote": 150,
                "volume_base": 4.002,
                "volume_quote": 510.26,
                "fees": {"USDT": 0.5, "BTC": 0.002, "BNB": 0.01},
                "cum_fees_quote": 0.76,
                "fees_not_converted": ["BNB"],
                "trades": 3,
                "first_trade_at": f"2025-06-15T12:00:00.{first:06}+00:00",
                "last_trade_at": f"2025-06-15T12:00:00.{first + 4:06}+00:00",
            }
        ],
        "pagination": {"limit": 100, "has_more": False, "next_cursor": None, "total_count": 1},
    }


def test_all_digits_are_on_the_wire(live: Live) -> None:
    trade(live, "BUY", "0.123456789012345678", "12345678901234567.123456789012345678")
    assert b'"buy_amount_quote":1524157875323883.' in live.client.get(PATH).content
    (raw,) = live.sql("select bought_notional from pnl")
    wire = msgspec.json.decode(live.client.get(PATH).content, type=dict[str, msgspec.Raw])
    (shown,) = msgspec.json.decode(wire["data"], type=list[dict[str, msgspec.Raw]])
    assert Decimal(bytes(shown["buy_amount_quote"]).decode()) == raw[0]


def test_a_flat_pair_needs_no_price(live: Live, venue: ScriptedVenue) -> None:
    trade(live, "BUY", "1", "100")
    trade(live, "SELL", "1", "90")
    (item,) = items(live)
    assert (item["position_side"], item["price"], item["priced_at"]) == ("FLAT", None, None)
    assert item["average_cost"] == {
        "realized_pnl_quote": -10,
        "open_cost_quote": 0,
        "breakeven_price": None,
        "unrealized_pnl_quote": 0,
    }
    assert item["fifo"] == item["average_cost"]
    assert venue.asked["tickers"] == 0


def test_without_a_ticker_the_last_snapshot_tells_the_price(
    live: Live, venue: ScriptedVenue
) -> None:
    venue.is_away = True
    trade(live, "SELL", "2", "100")
    trade(live, "BUY", "10", "0.03", pair="ETH-BTC")
    trade(live, "BUY", "1", "5", pair="DOGE-EUR")
    assert [item["average_cost"]["unrealized_pnl_quote"] for item in items(live)] == [None] * 3
    held = {"paper": {"BTC": ("1", "80"), "ETH": ("3", "4"), "DOGE": ("1", None)}}
    observe(live, MAIN, NOON_US, {"paper": {"BTC": ("1", "70")}})
    observe(live, MAIN, NOON_US + 60_000_000, held)
    live.project()
    shown = [
        (item["price"], item["price_source"], item["average_cost"]["unrealized_pnl_quote"])
        for item in items(live)
    ]
    assert shown == [(80, "portfolio", 40), (0.05, "portfolio", 0.2), (None, None, None)]
    assert items(live)[0]["priced_at"] == "2025-06-15T12:01:00+00:00"


def test_pages_and_filters_show_each_pair_once(live: Live) -> None:
    live.execute("account-other", OpenAccount("other"), "open")
    live.execute("account-other", AddConnector("other", "paper"), "connect")
    for number in range(4):
        trade(live, "BUY", "1", "1", pair=f"P{number}-USDT")
    trade(live, "BUY", "1", "1", account="other")
    found, cursor = [], None
    while True:
        asked: dict[str, Any] = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = live.client.get(PATH, params=asked).json()
        assert page["pagination"]["total_count"] == 5
        found += [item["trading_pair"] for item in page["data"]]
        trade(live, "BUY", "1", "1", pair="P0-USDT")  # What is known stays where it is.
        if not page["pagination"]["has_more"]:
            break
        cursor = page["pagination"]["next_cursor"]
    assert found == ["P0-USDT", "P1-USDT", "P2-USDT", "P3-USDT", "BTC-USDT"]
    (other,) = items(live, account_names="other")
    assert (other["account_name"], other["trading_pair"]) == ("other", "BTC-USDT")
    pairs = ["P1-USDT", "P2-USDT", "NO-PAIR"]
    assert [item["trading_pair"] for item in items(live, trading_pairs=pairs)] == pairs[:2]
    assert items(live, connector_names="binance") == []


@pytest.mark.parametrize(
    "asked", [{"limit": 0}, {"limit": 1001}, {"cursor": "x"}, {"as_of": "soon"}, {"as_of": 10**6}]
)
def test_bad_input_is_named(live: Live, asked: dict[str, Any]) -> None:
    answer = live.client.get(PATH, params=asked)
    assert answer.status_code == 422
    assert answer.json()["detail"]


def now(live: Live) -> tuple[int, dict[str, Any]]:
    """The answer, and the position that it is of."""
    answer = live.client.get(PATH)
    return int(answer.headers["Log-Position"]), answer.json()


def test_as_of_any_position_it_is_what_it_was_then(live: Live, venue: ScriptedVenue) -> None:
    venue.is_away = True
    observe(live, MAIN, NOON_US, {"paper": {"BTC": ("1", "80")}})
    live.project()
    seen = dict([now(live)])
    for step in range(6):
        side: Side = "BUY" if step % 3 else "SELL"
        pair = ("BTC-USDT", "ETH-USDT")[step % 2]
        trade(live, side, str(step + 1), str(100 + step), "0.1 BTC", pair)
        seen |= [now(live)]
        prices = {"BTC": ("1", str(90 + step)), "ETH": ("1", "7")}
        observe(live, MAIN, NOON_US + step + 1, {"paper": prices})
        live.project()
        seen |= [now(live)]
    assert len(seen) == 13
    for position, then in seen.items():
        answer = live.client.get(PATH, params={"as_of": position})
        assert answer.headers["Log-Position"] == str(position)
        assert answer.json()["data"] == then["data"], position
        assert answer.json()["pagination"] == then["pagination"]
    first = live.client.get(PATH, params={"as_of": live.head(), "limit": 1}).json()
    cursor = first["pagination"]["next_cursor"]
    trade(live, "BUY", "1", "1")
    rest = live.client.get(PATH, params={"cursor": cursor, "limit": 1}).json()
    assert first["data"] + rest["data"] == then["data"]


def test_the_past_is_priced_by_its_snapshot_and_never_by_a_ticker_of_now(
    live: Live, venue: ScriptedVenue
) -> None:
    ticker(venue, "160")
    position = trade(live, "BUY", "1", "100")
    assert items(live)[0]["price"] == 160
    (then,) = items(live, as_of=position)
    assert (then["price"], then["priced_at"]) == (None, None)
    assert then["average_cost"]["unrealized_pnl_quote"] is None


def test_a_model_that_has_halted_is_refused_with_the_reason_and_nothing_else_is(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(row: Any, fact: Any, key: str) -> Any:
        if fact.position > healthy:
            raise ZeroDivisionError("no such figure")
        return pnl.evolve(row, fact, key)

    monkeypatch.setattr(status, "READY_SECONDS", 30.0)
    healthy = trade(live, "BUY", "1", "100")
    poisoned = structs.replace(pnl.PROJECTION, evolve=fails)
    projections = tuple(poisoned if p.name == "pnl" else p for p in PROJECTIONS)
    before = live.client.get(PATH).json()
    monkeypatch.setattr(parked, "PROJECTIONS", projections)
    order = {"client_order_id": "av9", "account": MAIN}
    live.execute("order-av9", structs.replace(PLACE, **order), "place")
    amounts = (Decimal(1), Decimal(1), Decimal(0))
    fill = RecordFill("t9", "BUY", *amounts, "USDT", is_maker=False, executed_at_us=1)
    live.execute("order-av9", fill, "fill")
    bad = catch_up(live.database.app_dsn, projections)

    answer = live.client.get(PATH)
    assert answer.status_code == 503
    assert answer.json() == {
        "detail": (
            f"The read model pnl stands still before position {bad}, which it could not fold "
            "(ZeroDivisionError: no such figure). Nothing is answered from it; all others go on. "
            "Once the cause is mended: `aviary parked retry`."
        ),
        "code": "read_model_halted",
    }
    trades = live.client.post("/trading/trades", json={}, params={"min_position": bad})
    assert trades.headers["Log-Position"] == str(bad)
    assert len(trades.json()["data"]) == 2
    assert live.client.get(PATH, params={"as_of": healthy}).json()["data"] == [
        {**before["data"][0], "price": None, "priced_at": None, "price_source": None}
    ]
    ready = live.client.get("/ready")
    assert ready.status_code == 503
    assert ready.json()["checks"]["halted"] == {"pnl": bad}
    assert ready.json()["checks"]["projections"]["pnl"] == 1
    metrics = live.client.get("/metrics").text
    assert f'\nhalted_position{{projection="pnl"}} {bad}.0' in metrics
    waiting = {"projection": "pnl", "key": "*", "first_position": bad, "events": 1}
    error = "ZeroDivisionError: no such figure"
    assert live.client.get("/audit/parked").json()["data"] == [{**waiting, "error": error}]
    retried = {"projection": "pnl", "key": "*", "is_cured": False, "error": error}
    assert live.client.post("/audit/parked/retry", json={}).json() == {"data": [retried]}
    monkeypatch.undo()
    cured = {**retried, "is_cured": True, "error": None}
    assert live.client.post("/audit/parked/retry", json={}).json() == {"data": [cured]}
    assert items(live)[0]["trades"] == 2
