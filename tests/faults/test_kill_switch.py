"""A kill switch in the middle of a burst, with the workers killed while they cancel."""

import threading
from http import HTTPStatus

import pytest

from tests.faults.clients import Answer, HttpClient, Insistent
from tests.faults.intents import resting
from tests.faults.judge import fold_orders, judge, read_log
from tests.faults.processes import until
from tests.faults.world import World

pytestmark = [pytest.mark.faults, pytest.mark.postgres]

CLIENTS, ORDERS = 4, 20


def test_after_the_switch_nothing_is_placed_and_all_is_cancelled(scene: World) -> None:
    worker = scene.worker().start()
    scene.door("api").start()
    client = HttpClient(scene.door_port)
    Insistent(client).send(resting("first"))  # From here on the venue's rules are known.
    answers: list[Answer] = []
    is_busy = threading.Event()

    def place(number: int) -> None:
        for count in range(ORDERS):
            answers.append(client.send(resting(f"order-{number}-{count}")))
            if len(answers) > CLIENTS * ORDERS // 2:
                is_busy.set()

    threads = [threading.Thread(target=place, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    assert is_busy.wait(60)
    assert client.call("POST", "/trading/kill-switch", {"reason": "trial"}).status == HTTPStatus.OK
    worker.kill()
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
