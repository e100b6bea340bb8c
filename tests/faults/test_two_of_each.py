"""Two processes with all workers on one log: each effect happens once, whoever does it."""

from collections import Counter

import pytest

from commands import codec
from domain.reconciliation import ReconciliationRequested
from tests.faults.burst import run_burst
from tests.faults.clients import Insistent
from tests.faults.crash_points import SEED
from tests.faults.judge import judge, read_log
from tests.faults.world import World

pytestmark = [pytest.mark.faults, pytest.mark.postgres]


def test_two_worker_processes_do_everything_once(scene: World) -> None:
    workers = [scene.worker(alias=f"worker-{name}").start() for name in ("one", "two")]
    scene.door("api").start()

    def tend(sender: Insistent) -> None:
        if len(sender.placed) > 15 and not workers[0].deaths:
            workers[0].kill()
            workers[0].revive()

    sender = run_burst(
        scene, scene.client("api"), SEED, tend=tend, is_over=lambda: bool(workers[0].deaths)
    )
    judge(scene, sender)
    events = [codec.decode_recorded(event) for event in read_log(scene.database.app_dsn)]
    asked = Counter(event.due_us for event in events if isinstance(event, ReconciliationRequested))
    assert set(asked.values()) == {1}
