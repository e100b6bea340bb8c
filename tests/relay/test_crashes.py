"""A relay that is killed at every point of its round, under load, and started again."""

import re

import pytest

from tests.faults.crash_points import ROOT
from tests.faults.processes import until
from tests.relay.stage import Stage, check

pytestmark = [pytest.mark.kafka, pytest.mark.postgres, pytest.mark.faults]

SOURCE = (ROOT / "workers/relay.py").read_text()
POINTS = sorted(re.findall(r'crashpoint\("(relay-[a-z-]+)"\)', SOURCE))
OCCURRENCES = (1, 2, 7)


def test_there_are_points_to_crash_at() -> None:
    assert POINTS == [
        "relay-after-checkpoint",
        "relay-after-flush",
        "relay-after-send",
        "relay-before-checkpoint",
    ]


@pytest.mark.parametrize("point", POINTS)
def test_killed_at_a_point_it_loses_nothing_and_keeps_the_order(stage: Stage, point: str) -> None:
    head = stage.filler.append(1000)
    process = stage.relay(quick=True)
    for occurrence in OCCURRENCES:
        process.start(AVIARY_CRASH=f"{point}:{occurrence}")
        until(lambda: stage.filler.append(100) and process.poll() is not None, "its death")
        assert process.poll() == -9
    process.start()
    head = stage.filler.append(500)
    stage.await_position(head)
    repeated = check(stage)
    if point == "relay-before-checkpoint":
        assert repeated > 0
    if point == "relay-after-checkpoint":
        assert repeated == 0
