"""Kill -9 between a perpetual venue and the log: settings are made, positions and payments right.

Over Binance's futures wire; each scenario has an account of its own at the exchange.
"""

import itertools
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import httpx
import psycopg
import pytest

from commands.codec import decode_recorded
from domain import perpetual, position
from domain.events import Event
from domain.funding import FundingPaid
from domain.perpetual import LeverageRequested, LeverageSet, PositionModeRequested, PositionModeSet
from domain.position import PositionBaselineSet, PositionClosed, PositionObserved
from tests.doubles.binance_client import RawClient
from tests.doubles.binance_process import BinanceProcess
from tests.faults.crash_points import points_in
from tests.faults.judge import read_log
from tests.faults.processes import until
from tests.faults.world import World

pytestmark = [pytest.mark.faults, pytest.mark.postgres]
ACCOUNT, CONNECTOR, PAIR = "master_account", "binance_perpetual", "BTC-USDT"
BASE = f"/trading/{ACCOUNT}/{CONNECTOR}"
SETTING = ("perpetual-before-setting", "perpetual-after-setting", "perpetual-after-record")
LOOKING = ("position-before-record", "position-after-record", "position-after-compare")
PAYING = ("funding-before-record", "funding-after-record", "funding-after-cursor")


class Stage:
    def __init__(self, scene: World, double: BinanceProcess) -> None:
        scene.environment["VENUE_URL_BINANCE_PERPETUAL"] = double.url
        scene.environment["AVIARY_SEND_WINDOW_SECONDS"] = "5"  # Nothing of an order is tried here.
        self.scene = scene
        self.double = double
        self.name = f"perpetual-{scene.database.name}"
        key, secret = double.new_account(self.name)
        self.hand = RawClient(double.url, key, secret, "futures")
        self.worker = scene.worker()
        self.api = scene.door("api").start()
        self.worker.start()
        fields = {f"{CONNECTOR}_api_key": key, f"{CONNECTOR}_api_secret": secret}
        answer = self.post(f"/accounts/add-credential/{ACCOUNT}/{CONNECTOR}", fields)
        assert (answer.status_code, answer.json()["status"]) == (201, "accepted"), answer.text

    def post(self, path: str, body: Any, **more: str) -> httpx.Response:
        """Until the API listens; then once. An outcome may take until workers have started."""
        found: list[httpx.Response] = []

        def is_answered() -> bool:
            url = f"http://127.0.0.1:{self.scene.door_port}{path}"
            headers = {"Prefer": "wait=60"} | more
            try:
                found.append(
                    httpx.post(url, json=body, headers=headers, auth=("admin", "admin"), timeout=90)
                )
            except httpx.ConnectError:
                return False
            return True

        until(is_answered, f"{path} is answered", 60)
        return found[-1]

    def crash_at(self, point: str) -> None:
        """Let the worker end, and the next one die at that point."""
        self.worker.kill()
        self.worker.start(AVIARY_CRASH=point)

    def until_revived(self) -> None:
        until(lambda: self.worker.revive() or self.worker.deaths, "the worker has died", 60)
        assert self.worker.deaths == [-signal.SIGKILL], self.worker.log.read_text()[-2000:]

    def events(self, stream: str) -> list[Event]:
        found = read_log(self.scene.database.app_dsn)
        return [decode_recorded(event) for event in found if event.stream.startswith(stream)]

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.scene.database.owner_dsn) as owner:
            return owner.execute(query.encode()).fetchall()

    def position(self) -> list[Event]:
        return self.events(position.stream(ACCOUNT, CONNECTOR, PAIR))


@pytest.fixture
def stage(scene: World, binance_double: BinanceProcess) -> Iterator[Stage]:
    made = Stage(scene, binance_double)
    with made.hand:
        yield made


def test_every_point_of_the_code_is_tried() -> None:
    prefixes = ("perpetual-", "position-", "funding-")
    found = {name for name in points_in("workers") if name.startswith(prefixes)}
    assert found == {*SETTING, *LOOKING, *PAYING}


@pytest.mark.parametrize("point", SETTING)
def test_what_was_asked_for_is_set_and_recorded_once(stage: Stage, point: str) -> None:
    stage.crash_at(point)
    with ThreadPoolExecutor(2) as pool:
        asked = pool.submit(stage.post, f"{BASE}/leverage", {"trading_pair": PAIR, "leverage": 7})
        stage.until_revived()
        answer = asked.result()
    assert (answer.status_code, answer.json()["status"]) == (200, "success"), answer.text
    answer = stage.post(f"{BASE}/position-mode", {"position_mode": "HEDGE"})
    assert (answer.status_code, answer.json()["status"]) == (200, "success"), answer.text
    kinds = [type(event) for event in stage.events(perpetual.stream(ACCOUNT, CONNECTOR))]
    assert kinds == [LeverageRequested, LeverageSet, PositionModeRequested, PositionModeSet]
    shown = stage.hand.call("GET", "/fapi/v2/positionRisk", symbol="BTCUSDT").json()
    assert {row["leverage"] for row in shown} == {"7"}
    assert stage.hand.call("GET", "positionSide/dual").json() == {"dualSidePosition": True}


@pytest.mark.parametrize("point", LOOKING)
def test_a_position_is_as_the_exchange_has_it(stage: Stage, point: str) -> None:
    stage.worker.kill()
    stage.hand.placed(type="MARKET", price=None, timeInForce=None, quantity="0.02")
    stage.crash_at(point)
    stage.until_revived()
    until(lambda: PositionBaselineSet in map(type, stage.position()), "it is compared", 60)
    observed = [event for event in stage.position() if isinstance(event, PositionObserved)]
    assert [(event.side, event.quantity) for event in observed] == [("LONG", Decimal("0.020"))]
    stage.hand.placed(
        type="MARKET", price=None, timeInForce=None, side="SELL", quantity="0.02", reduceOnly="true"
    )
    until(lambda: PositionClosed in map(type, stage.position()), "it is closed", 60)
    until(lambda: not stage.rows("select 1 from positions"), "its row is gone")


@pytest.mark.parametrize("point", PAYING)
def test_a_funding_payment_counts_once(stage: Stage, point: str) -> None:
    stage.hand.placed(type="MARKET", price=None, timeInForce=None, quantity="0.02")
    until(lambda: stage.rows("select 1 from positions"), "the position is observed", 60)
    stage.worker.kill()
    for rate in ("0.0001", "-0.0002", "0.0001"):
        stage.double.control("funding", symbol="BTCUSDT", rate=rate)
    stage.crash_at(point)
    stage.until_revived()
    until(lambda: len(stage.rows("select 1 from funding")) >= 3, "payments are read", 60)
    told = stage.hand.call("GET", "income", incomeType="FUNDING_FEE", limit=100).json()
    paid = [event for event in stage.events("funding-") if isinstance(event, FundingPaid)]
    assert sorted(event.amount for event in paid) == sorted(Decimal(one["income"]) for one in told)
    assert len({event.payment_id for event in paid}) == 3


def test_our_own_orders_make_no_difference_and_trading_by_hand_does(stage: Stage) -> None:
    numbers = itertools.count()

    def place(side: str, amount: str) -> None:
        body = {
            "account_name": ACCOUNT,
            "connector_name": CONNECTOR,
            "trading_pair": PAIR,
            "trade_type": side,
            "amount": amount,
            "order_type": "MARKET",
        }
        key = {"Idempotency-Key": f"{side}-{amount}-{next(numbers)}"}
        answers: list[httpx.Response] = []

        def is_placed() -> bool:
            answers.append(stage.post("/trading/orders", body, **key))
            assert answers[-1].status_code in (201, 503), answers[-1].text
            return answers[-1].status_code == 201

        until(is_placed, "the pair's rules are known and the order is placed")

    def shown() -> list[tuple[Any, ...]]:
        return stage.rows("select quantity from positions")

    def baselines() -> list[tuple[Any, ...]]:
        return stage.rows("select excess, difference from position_baselines")

    place("BUY", "0.02")
    until(lambda: baselines() == [(0, 0)], "what our fills explain is the baseline", 60)
    for number in range(5):
        place("BUY", "0.01")
        place("SELL", f"0.00{number + 2}")
    until(lambda: shown() == [(Decimal("0.050"),)], "the position is ours", 60)
    stage.hand.placed(type="MARKET", price=None, timeInForce=None, quantity="0.01")
    until(lambda: shown() == [(Decimal("0.060"),)], "the position is observed", 60)
    until(lambda: baselines() == [(0, Decimal("0.010"))], "it differs by what was done by hand", 60)
    tags = [type(event).__name__ for event in stage.position()]
    assert tags.count("PositionDiffers") == 1
    assert "PositionAgrees" not in tags
    url = f"http://127.0.0.1:{stage.scene.door_port}/accounts/{ACCOUNT}/balances"
    answer = httpx.get(url, auth=("admin", "admin"), timeout=60)
    assert set(answer.json()) == {"paper", CONNECTOR}, answer.text
    assert [row["token"] for row in answer.json()[CONNECTOR]] == ["USDT"]
    assert "Aviary-Incomplete" not in answer.headers
