"""A stopped partition is tried again, and its reason stays in sight until it is over."""

from workers.feeding.stops import Stops

HERE, THERE = ("orders", 0), ("orders", 1)


def stopped(retry_seconds: float = 0.0) -> Stops:
    stops = Stops(retry_seconds)
    stops.add({HERE: "a hole", THERE: "a stranger"})
    return stops


def test_no_trial_is_due_before_its_time_or_without_a_stop() -> None:
    assert not stopped(1000.0).is_trial_due()
    assert not Stops(0.0).is_trial_due()


def test_a_partition_on_trial_is_read_and_still_told_of() -> None:
    stops = stopped()
    assert stops.is_stopped(HERE)
    assert stops.is_trial_due()
    stops.try_again([HERE, THERE])
    assert not stops.is_stopped(HERE)
    assert stops.texts == {
        HERE: "orders partition 0 a hole",
        THERE: "orders partition 1 a stranger",
    }


def test_records_or_a_quiet_trial_end_a_stop_and_another_fault_does_not() -> None:
    stops = stopped()
    stops.try_again([HERE, THERE])
    stops.free([HERE])
    assert list(stops.texts) == [THERE]
    stops.add({THERE: "another"})
    assert stops.is_stopped(THERE)
    stops.free([THERE])
    assert stops.is_trial_due()
    assert stops.texts == {THERE: "orders partition 1 another"}
    stops.try_again([THERE])
    assert not stops.is_trial_due()
    assert stops.texts == {}


def test_a_partition_that_went_to_another_member_is_not_told_of() -> None:
    stops = stopped()
    stops.try_again([THERE])
    assert list(stops.texts) == [THERE]
