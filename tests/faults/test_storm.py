"""Every venue fault at random during one burst, with the venue and the workers killed in it."""

import pytest

from tests.faults.burst import run_burst
from tests.faults.clients import Insistent
from tests.faults.crash_points import SEED
from tests.faults.judge import judge
from tests.faults.processes import Process
from tests.faults.world import World

pytestmark = [pytest.mark.faults, pytest.mark.postgres]

STORM = (
    {"kind": "lose_ack", "probability": 0.1},
    {"kind": "unavailable_after", "probability": 0.1},
    {"kind": "unavailable_before", "probability": 0.1},
    {"kind": "delay_ack", "probability": 0.1, "seconds": 0.5},
    {"kind": "lose_ack", "probability": 0.2, "request": "cancel"},
    {"kind": "unavailable_before", "probability": 0.2, "request": "cancel"},
    {"kind": "lookup_lag", "probability": 0.5, "seconds": 0.5},
    {"kind": "reorder_fill", "probability": 0.3},
    {"kind": "duplicate_fill", "probability": 0.5},
    {"kind": "lose_fill", "probability": 0.5},
)


class Havoc:
    """Kills the venue, then the workers, as the burst goes on; the storm returns with the venue."""

    def __init__(self, world: World, worker: Process, door: Process) -> None:
        self.kills = 0
        self._world, self._worker, self._door = world, worker, door

    def begin_storm(self) -> None:
        rules = ({"seed": SEED + number, "times": None} | rule for number, rule in enumerate(STORM))
        self._world.venue.faults(*rules)

    def tend(self, sender: Insistent) -> None:
        if len(sender.placed) < 12 * (self.kills + 1) or self.kills == 3:
            return
        match self.kills:
            case 0:
                self._world.venue.kill()
                self._world.venue.start()
                self.begin_storm()
            case 1:
                self._worker.kill()
                self._worker.revive()
            case _:
                self._door.kill()
                self._door.revive()
        self.kills += 1


def test_a_storm_of_faults_leaves_one_truth(scene: World) -> None:
    worker, door = scene.worker().start(), scene.door("api").start()
    havoc = Havoc(scene, worker, door)
    havoc.begin_storm()
    sender = run_burst(
        scene, scene.client("api"), SEED, tend=havoc.tend, is_over=lambda: havoc.kills == 3
    )
    judge(scene, sender)
