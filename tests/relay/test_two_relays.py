"""Two relays of one log: one publishes, the other takes over, whatever becomes of the first."""

import pytest

from adapters.postgres import relays
from tests.faults.processes import Process, until
from tests.relay.stage import Stage, check

pytestmark = [pytest.mark.kafka, pytest.mark.postgres, pytest.mark.faults]


def start_two(stage: Stage) -> tuple[Process, Process]:
    """The active one first."""
    first = stage.relay(patient=True).start()
    stage.await_position(stage.filler.append(100))
    second = stage.relay(patient=True).start()
    stage.await_state("standby")
    return first, second


def state_of(stage: Stage, process: Process) -> str:
    return next(
        (row.state for row in stage.rows() if row.process.endswith(f":{process.pid}")), "unheard"
    )


def test_one_is_active_and_the_other_stands_by(stage: Stage) -> None:
    first, second = start_two(stage)
    stage.await_position(stage.filler.append(2000))
    expected = ("running", "standby")
    until(lambda: (state_of(stage, first), state_of(stage, second)) == expected, "one runs")
    assert check(stage) == 0


def test_the_other_takes_over_from_a_killed_one(stage: Stage) -> None:
    first, second = start_two(stage)
    first.kill()
    stage.await_position(stage.filler.append(2000))
    until(lambda: state_of(stage, second) == "running", "the second runs")
    check(stage)


def test_the_other_takes_over_from_one_that_stopped(stage: Stage) -> None:
    first, second = start_two(stage)
    assert first.stop() == 0
    stage.await_position(stage.filler.append(2000))
    until(lambda: state_of(stage, second) == "running", "the second runs")
    assert check(stage) == 0


@pytest.mark.parametrize("point", ["relay-after-send", "relay-before-checkpoint"])
def test_a_frozen_one_moves_nothing_when_it_wakes(stage: Stage, point: str) -> None:
    """Frozen in the middle of a round, longer than the server keeps a silent session."""
    first = stage.relay(patient=True).start(AVIARY_FREEZE=f"{point}:3")
    until(lambda: stage.filler.append(50) and first.is_frozen, "the freeze")
    stuck = stage.position()
    second = stage.relay(patient=True).start()
    head = stage.filler.append(1000)
    stage.await_position(head, seconds=60 + relays.SILENT_MS / 1000)
    assert head > stuck
    first.thaw()
    # What it still sends may make the second one look again, and then either may be first.
    until(
        lambda: {state_of(stage, first), state_of(stage, second)} == {"running", "standby"},
        "one runs and the other stands by",
    )
    stage.await_position(stage.filler.append(1000))
    check(stage)
