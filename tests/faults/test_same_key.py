"""One idempotency key many times over, at once and later, with the same body and with another."""

import concurrent.futures
from http import HTTPStatus

import pytest

from tests.faults.clients import HttpClient, Insistent
from tests.faults.intents import Place, market
from tests.faults.judge import judge, settle
from tests.faults.world import World

pytestmark = [pytest.mark.faults, pytest.mark.postgres]

TIMES = 50


def test_a_key_sent_fifty_times_at_once_is_one_order(scene: World) -> None:
    scene.worker().start()
    scene.door("api").start()
    client = HttpClient(scene.door_port)
    sender = Insistent(client)
    sender.send(Place("before"))
    wanted = market("often")
    with concurrent.futures.ThreadPoolExecutor(TIMES) as pool:
        replies = list(pool.map(client.request, [wanted] * TIMES))
    assert {reply.status for reply in replies} == {HTTPStatus.CREATED}
    replayed = [reply.headers.get("idempotency-replayed") for reply in replies]
    assert sorted(replayed, key=str) == [None, *["true"] * (TIMES - 1)]
    assert len({(str(reply.body), reply.headers["command-id"]) for reply in replies}) == 1

    other = Place("often", price=None, order_type="MARKET", quantity=wanted.quantity + 1)
    assert client.request(other).status == HTTPStatus.UNPROCESSABLE_ENTITY
    assert sender.send(wanted).is_replay
    settle(scene)
    assert len(scene.ledger().of(wanted.order)) == 1
    judge(scene, sender)
