"""Killed and frozen again, against the Binance double through the adapter of real venues."""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.binance_world import BinanceWorld, binance_world
from tests.faults.burst import run_burst
from tests.faults.clients import Insistent
from tests.faults.crash_points import SEED, Case, worker_sample
from tests.faults.intents import market
from tests.faults.judge import judge, settle
from tests.faults.processes import until
from tests.postgres_fixture import Database

pytestmark = [pytest.mark.faults, pytest.mark.postgres]


@pytest.fixture
def scene(
    tmp_path: Path, database: Callable[..., Database], template: Database
) -> Iterator[BinanceWorld]:
    with binance_world(tmp_path, database, template) as made:
        yield made


def test_a_burst_at_a_real_venue_loses_and_doubles_nothing(scene: BinanceWorld) -> None:
    scene.worker().start()
    scene.door("api").start()
    scene.add_credential()
    judge(scene, run_burst(scene, scene.client("api"), SEED))


@pytest.mark.parametrize("case", worker_sample(), ids=str)
def test_killed_at_a_point_nothing_is_lost_and_nothing_doubled(
    scene: BinanceWorld, case: Case
) -> None:
    worker = scene.worker()
    worker.start()
    scene.door("api").start()
    scene.add_credential()
    scene.stop_workers()
    worker.start(AVIARY_CRASH=f"{case.point}:{case.occurrence}")

    def tend(_: Insistent) -> None:
        worker.revive()

    sender = run_burst(
        scene, scene.client("api"), SEED, tend=tend, is_over=lambda: bool(worker.deaths)
    )
    assert worker.deaths == [-signal.SIGKILL], worker.log.read_text()[-2000:]
    judge(scene, sender)


@pytest.mark.parametrize("point", ["dispatcher-before-send", "dispatcher-after-send"])
def test_a_dispatcher_that_wakes_after_its_lease_places_nothing_twice(
    scene: BinanceWorld, point: str
) -> None:
    scene.worker("projector").start()
    scene.worker("scheduler").start()
    scene.door("api").start()
    dispatcher, zombie = scene.worker("dispatcher"), scene.worker("dispatcher", "worker-zombie")
    dispatcher.start()
    scene.add_credential()
    assert dispatcher.stop() == 0
    sender = Insistent(scene.client("api"))
    zombie.start(AVIARY_FREEZE=f"{point}:3")
    for number in range(8):
        sender.send(market(f"{point}-{number}", scene.ground.quantity))
    until(lambda: zombie.is_frozen, f"the dispatcher freezes at {point}")
    dispatcher.start()
    settle(scene)
    zombie.thaw()
    sender.send(market("afterwards", scene.ground.quantity))
    judge(scene, sender)
