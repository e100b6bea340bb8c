"""What a read said at a position is what it says of it later, whatever has happened since."""

import pytest

from tests.api.live import Live
from tests.as_of.history import READS, History, shown

pytestmark = pytest.mark.postgres
ROUNDS = 16
STEPS = 10


@pytest.mark.parametrize("seed", range(2))
def test_every_read_says_later_what_it_said_then(live: Live, seed: int) -> None:
    history = History(live, seed)
    told: dict[int, list[tuple[int, str, bytes]]] = {}
    for _ in range(ROUNDS):
        position = live.project()
        answers = [read.ask(live.client, min_position=position) for read in READS]
        told[position] = [shown(answer) for answer in answers]
        for _ in range(STEPS):
            history.step()
    live.project()
    for position, answers_then in told.items():
        for read, then in zip(READS, answers_then, strict=True):
            if "positions" in read.path:
                continue
            now = shown(read.ask(live.client, as_of=position))
            if then[0] != 200:
                now = (now[0], then[1], now[2])
            assert now == then, (position, read)
