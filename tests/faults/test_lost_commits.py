"""A COMMIT whose answer is lost, or that never arrives: one outcome, and no guess about it."""

import pytest

from adapters.postgres.embedded import EmbeddedPostgres
from tests.faults.burst import run_burst
from tests.faults.judge import judge
from tests.faults.proxy import Verdict, every, proxy
from tests.faults.world import Door, World, over_tcp

pytestmark = [pytest.mark.faults, pytest.mark.postgres]


@pytest.mark.parametrize("kind", ["api", "writer"])
@pytest.mark.parametrize("verdict", ["lose_answer", "lose_request"])
def test_a_lost_commit_at_the_door_has_one_outcome_that_no_client_notices(
    scene: World, cluster: EmbeddedPostgres, verdict: Verdict, kind: Door
) -> None:
    with proxy(cluster.port, every(4, b"COMMIT\0", verdict)) as line:
        dsn = over_tcp(scene.database.app_dsn, line.port)
        scene.worker().start()
        scene.door(kind, DATABASE_URL=dsn).start()
        client = scene.client(kind)
        sender = run_burst(scene, client, 11, is_over=lambda: line.cut >= 5)
        judge(scene, sender)
    assert not any(answer.is_replay for answer in sender.placed.values())


@pytest.mark.parametrize("verdict", ["lose_answer", "lose_request"])
def test_lost_commits_of_workers_leave_no_trace(
    scene: World, cluster: EmbeddedPostgres, verdict: Verdict
) -> None:
    with proxy(cluster.port, every(7, b"COMMIT\0", verdict)) as line:
        dsn = over_tcp(scene.database.app_dsn, line.port)
        scene.worker(DATABASE_URL=dsn).start()
        scene.door("writer").start()
        client = scene.client("writer")
        sender = run_burst(scene, client, 12, is_over=lambda: line.cut >= 3)
        judge(scene, sender)
