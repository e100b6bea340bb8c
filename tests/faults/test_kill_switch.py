"""A kill switch in the middle of a burst, with the workers killed while they cancel."""

import itertools
import threading
from http import HTTPStatus

import pytest

from tests.faults.clients import Answer, HttpClient, Insistent
from tests.faults.intents import resting
from tests.faults.judge import fold_orders, judge, read_log
from tests.faults.processes import until
from tests.faults.world import World

pytestmark = [pytest.mark.faults, pytest.mark.postgres]

CLIENTS, ORDERS, REFUSALS = 4, 40, 5


def test_after_the_switch_nothing_is_placed_and_all_is_cancelled(scene: World) -> None:
    worker = scene.worker().start()
    scene.door("api").start()
    client = HttpClient(scene.door_port)
    sender = Insistent(client)
    sender.send(resting("first"))  # From here on the venue's rules are known.
    answers: list[Answer] = []
    is_busy, is_over = threading.Event(), threading.Event()

    def place(number: int) -> None:
        """Until some have been refused, however late the switch comes."""
        refused = 0
        for count in itertools.count():
            if refused == REFUSALS or is_over.is_set():
                return
            answers.append(sender.send(resting(f"order-{number}-{count}")))
            refused += not answers[-1].is_accepted
            if len(answers) > ORDERS:
                is_busy.set()

    threads = [threading.Thread(target=place, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    try:
        assert is_busy.wait(60)
        engaged = client.call("POST", "/trading/kill-switch", {"reason": "trial"})
        assert engaged.status == HTTPStatus.OK
        worker.kill()
        until(lambda: not any(thread.is_alive() for thread in threads), "all have been refused")
    finally:
        is_over.set()
        for thread in threads:
            thread.join()
    worker.revive()

    def nothing_is_live() -> bool:
        return not any(state.is_live for state in fold_orders(read_log(dsn)).values())

    dsn = scene.database.app_dsn
    until(nothing_is_live, "everything is cancelled")
    tags = [event.tag for event in read_log(dsn)]
    assert "order.placed.v1" not in tags[tags.index("switch.engaged.v1") :]
    assert {answer.code for answer in answers} == {None, "kill_switch"}
    assert [each for each in scene.ledger().orders if each["status"] == "open"] == []
    judge(scene)
