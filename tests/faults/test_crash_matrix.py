"""Kill -9 at every crash point of the doors and of the workers, under a burst of orders.

AVIARY_CRASH_SAMPLE=all tries every point at every occurrence; AVIARY_CRASH_SEED repeats a sample.
"""

import signal
from pathlib import Path

import pytest

from tests.faults.burst import run_burst
from tests.faults.clients import Insistent
from tests.faults.crash_points import (
    COMMITTER_POINTS,
    SEED,
    WORKER_POINTS,
    Case,
    every_case,
    sample,
)
from tests.faults.judge import judge
from tests.faults.world import Door, World

pytestmark = [pytest.mark.faults, pytest.mark.postgres]

WRITE_PATH = {
    "before-lock",
    "after-lock",
    "after-receipt",
    "after-events",
    "before-commit",
    "after-commit",
}
EFFECTS = {
    "projector-after-rows",
    "projector-after-checkpoint",
    "projector-after-commit",
    "dispatcher-before-send",
    "dispatcher-after-send",
    "dispatcher-after-record",
    "dispatcher-before-cancel",
    "dispatcher-after-cancel",
}


def _passed(trace: Path) -> set[str]:
    return set(trace.read_text().split()) if trace.exists() else set()


def test_a_burst_passes_every_point_that_the_code_has(scene: World) -> None:
    by_door, by_worker = scene.folder / "door.trace", scene.folder / "worker.trace"
    scene.worker().start(AVIARY_CRASH_TRACE=str(by_worker))
    scene.door("api").start(AVIARY_CRASH_TRACE=str(by_door))
    everything = COMMITTER_POINTS | WORKER_POINTS
    sender = run_burst(
        scene, scene.client("api"), SEED, is_over=lambda: _passed(by_worker) >= everything
    )
    judge(scene, sender)
    assert _passed(by_door) == COMMITTER_POINTS
    assert _passed(by_worker) >= everything, "others are of what no order comes to"
    assert COMMITTER_POINTS >= WRITE_PATH
    assert WORKER_POINTS >= EFFECTS
    assert {case.point for case in every_case()} == everything


@pytest.mark.parametrize("case", sample(), ids=str)
def test_killed_at_a_point_nothing_is_lost_and_nothing_doubled(scene: World, case: Case) -> None:
    crash = {"AVIARY_CRASH": f"{case.point}:{case.occurrence}"}
    kind: Door = "writer" if case.process == "writer" else "api"
    worker, door = scene.worker(), scene.door(kind)
    victim = worker if case.process == "worker" else door
    for process in (worker, door):
        process.start(**(crash if process is victim else {}))

    def tend(_: Insistent) -> None:
        victim.revive()

    sender = run_burst(
        scene, scene.client(kind), SEED, tend=tend, is_over=lambda: bool(victim.deaths)
    )
    assert victim.deaths == [-signal.SIGKILL], victim.log.read_text()[-2000:]
    judge(scene, sender)
