"""How many requests a desk has under way: fewer after one was too late, one more after a while."""

from collections import Counter
from typing import Any, cast

from tests.workers.stage import ACCOUNT, Ledger
from workers.dispatching.desk import ROOM_MAX, Desk


class Counts:
    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()


def test_room_is_halved_at_once_and_comes_back_one_by_one() -> None:
    """An order has few attempts: room that came back faster would spend them all."""
    desk = Desk(ACCOUNT, "paper", cast("Any", Ledger()), cast("Any", Counts()), cast("Any", None))
    assert desk.room == ROOM_MAX
    desk.was_too_late()
    assert desk.room == ROOM_MAX // 2
    for _ in range(ROOM_MAX // 2 - 1):
        desk.was_in_time()
    assert desk.room == ROOM_MAX // 2
    for _ in range(3):
        desk.was_in_time()
    assert desk.room == ROOM_MAX // 2 + 1
    for _ in range(20):
        desk.was_too_late()
    assert desk.room == 1
    for _ in range(ROOM_MAX**2):
        desk.was_in_time()
    assert desk.room == ROOM_MAX
