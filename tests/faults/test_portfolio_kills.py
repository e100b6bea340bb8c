"""Kill -9 between venues and the log: each point in time has one snapshot, of what venues told.

The paper venue and Binance's spot and futures wires at once, every process one that can be killed.
"""

import signal
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from commands.codec import decode_metadata, decode_recorded, tag_of
from domain import portfolio
from domain.log import Recorded
from domain.portfolio import ConnectorHeld, PortfolioObserved, PortfolioVenueSilent
from tests.doubles.binance_client import RawClient
from tests.doubles.binance_process import BinanceProcess, running
from tests.faults.crash_points import points_in
from tests.faults.judge import read_log
from tests.faults.processes import until
from tests.faults.world import World

pytestmark = [pytest.mark.faults, pytest.mark.postgres]
ACCOUNT = "master_account"
CONNECTORS = ("binance", "binance_perpetual", "paper")
POINTS = ("portfolio-before-record", "portfolio-after-record")
EVERY_US = 1_200_000


class Stage:
    def __init__(self, scene: World, exchange: BinanceProcess) -> None:
        scene.environment["VENUE_URL_BINANCE"] = exchange.url
        scene.environment["VENUE_URL_BINANCE_PERPETUAL"] = exchange.url
        scene.environment["ACCOUNT_UPDATE_INTERVAL"] = str(EVERY_US / 60_000_000)
        self.scene, self.exchange = scene, exchange
        self.key, self.secret = exchange.new_account("holder")
        self.worker = scene.worker().start()
        api = scene.door("api").start()
        for connector in ("binance", "binance_perpetual"):
            self.add_credential(connector)
        api.kill()

    def add_credential(self, connector: str) -> None:
        url = f"http://127.0.0.1:{self.scene.door_port}/accounts/add-credential/{ACCOUNT}"
        body = {f"{connector}_api_key": self.key, f"{connector}_api_secret": self.secret}
        said: list[Any] = []

        def is_taken() -> bool:
            try:
                said.append(
                    httpx.post(f"{url}/{connector}", json=body, auth=("admin", "admin"), timeout=60)
                )
            except httpx.TransportError:
                return False
            return bool(said[-1].status_code == httpx.codes.CREATED)

        until(is_taken, f"a credential for {connector} is taken", 60)

    def recorded(self) -> list[Recorded]:
        stream = portfolio.stream(ACCOUNT)
        return [event for event in read_log(self.scene.database.app_dsn) if event.stream == stream]

    def events(self) -> list[Any]:
        return [decode_recorded(event) for event in self.recorded()]

    def points(self) -> list[int]:
        """The points in time that there are snapshots for, of which each may be made late."""
        tag = tag_of(PortfolioObserved("", "", "interval", 0, ()))
        return [
            int(decode_metadata(event.metadata).correlation_id.rpartition("-")[2])
            for event in self.recorded()
            if event.tag == tag
        ]

    def snapshots(self) -> list[PortfolioObserved]:
        return [event for event in self.events() if isinstance(event, PortfolioObserved)]

    def has_told(self, *connectors: str) -> bool:
        """Whether exactly these were told by their venues at the last snapshot."""
        told = [its.connector for its in self.last().values() if not its.is_carried]
        return told == list(connectors)

    def last(self) -> dict[str, ConnectorHeld]:
        snapshots = self.snapshots()
        return {its.connector: its for its in snapshots[-1].held} if snapshots else {}


@pytest.fixture
def stage(scene: World, tmp_path: Path) -> Iterator[Stage]:
    folder = tmp_path / "exchange"
    folder.mkdir()
    with running(folder) as exchange:
        yield Stage(scene, exchange)


def test_every_point_of_the_code_is_tried() -> None:
    found = {name for name in points_in("workers") if name.startswith("portfolio-")}
    assert found == set(POINTS)


@pytest.mark.parametrize("point", POINTS)
def test_a_worker_killed_at_a_snapshot_records_each_point_in_time_once(
    stage: Stage, point: str
) -> None:
    until(lambda: stage.has_told(*CONNECTORS), "all venues have told what is held", 60)
    stage.worker.kill()
    stage.worker.start(AVIARY_CRASH=point)
    until(lambda: stage.worker.revive() or stage.worker.deaths, "the worker has died", 60)
    assert stage.worker.deaths == [-signal.SIGKILL], stage.worker.log.read_text()[-2000:]
    known = len(stage.snapshots())
    until(lambda: len(stage.snapshots()) >= known + 3, "snapshots go on", 60)
    points = stage.points()
    assert points == sorted(set(points))
    assert {point % EVERY_US for point in points} == {0}
    held = stage.last()
    with RawClient(stage.exchange.url, stage.key, stage.secret) as spot:
        told = spot.call("GET", "account").json()["balances"]
        prices = {its["symbol"]: its["price"] for its in spot.call("GET", "ticker/price").json()}
    assert {its.token: its.units for its in held["binance"].tokens} == {
        its["asset"]: amount
        for its in told
        if (amount := Decimal(its["free"]) + Decimal(its["locked"]))
    }
    for its in held["binance"].tokens:
        price = Decimal(1) if its.token == "USDT" else Decimal(prices[f"{its.token}USDT"])
        assert its.price == price, its
    assert [its.token for its in held["binance_perpetual"].tokens] == ["USDT"]


def test_an_exchange_that_is_gone_for_a_while_is_carried_over_and_then_back(stage: Stage) -> None:
    until(lambda: stage.has_told(*CONNECTORS), "all venues have told what is held", 60)
    before = stage.last()
    stage.exchange.kill()
    until(lambda: stage.has_told("paper"), "the exchange is carried over", 60)
    carried = stage.last()
    for connector in ("binance", "binance_perpetual"):
        assert carried[connector].tokens == before[connector].tokens
        assert carried[connector].is_carried
    silent = {its.connector for its in stage.events() if isinstance(its, PortfolioVenueSilent)}
    assert silent == {"binance", "binance_perpetual"}
    stage.exchange.start()
    until(lambda: stage.has_told(*CONNECTORS), "the exchange is back", 90)
