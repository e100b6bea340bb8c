"""Two API processes behind a balancer are one: keys, cursors, repeated requests, waiting."""

import base64
from collections.abc import Callable, Iterator

import pytest

from tests.faults.clients import HttpClient, Unanswered, order_body
from tests.faults.intents import Place
from tests.faults.processes import until
from tests.kafka_broker import Kafka
from tests.ports import free_port
from tests.postgres_fixture import Database
from tests.split.members import (
    PASSWORD,
    START_SECONDS,
    WORKERS,
    Split,
    answered,
    bearer,
    is_ready,
    login_of,
)

pytestmark = [pytest.mark.faults, pytest.mark.postgres, pytest.mark.kafka]


@pytest.fixture(scope="module")
def split(
    tmp_path_factory: pytest.TempPathFactory,
    template: Database,
    database: Callable[..., Database],
    kafka: Kafka,
) -> Iterator[Split]:
    made = Split(tmp_path_factory.mktemp("split"), database(template=template), kafka.bootstrap)
    made.venue.start()
    try:
        made.start(*WORKERS, "projector")
        made.until_ready()
        yield made
    finally:
        made.close()


def test_every_process_is_listed_under_its_name(split: Split) -> None:
    expected = {"api": 2, "projector": 2, "dispatcher": 1, "scheduler": 1, "relay": 1}

    def listed(client: HttpClient) -> bool:
        workers = client.call("GET", "/ready").body["checks"]["workers"]
        found = {name: workers[name]["processes"] for name in workers}
        return found == {name: ["running"] * count for name, count in expected.items()}

    for client in split.clients:
        until(
            lambda client=client: listed(client) and is_ready(client),  # type: ignore[misc]
            "every process is listed",
            START_SECONDS,
        )


def test_a_key_made_at_one_works_and_is_revoked_at_the_other(split: Split) -> None:
    one, two = split.clients
    made = answered(one.call("POST", "/keys", {"name": "bot", "scopes": ["read"]}), 201).body
    keyed = [bearer(port, made["token"]) for port in split.ports]
    for client in keyed:
        until(lambda c=client: c.call("GET", "/trading/orders").status == 200, "the key works")  # type: ignore[misc]
    answered(two.call("DELETE", f"/keys/{made['key_id']}"))
    assert keyed[1].call("GET", "/trading/orders").status == 401
    until(lambda: keyed[0].call("GET", "/trading/orders").status == 401, "the key is refused")


def test_a_cursor_of_one_is_followed_at_the_other(split: Split) -> None:
    one, two = split.clients
    for number in range(3):
        answered(one.call("POST", "/trading/orders", order_body(Place(f"c{number}"))), 201)
    head = split.value("select position from log_head")
    search = f"/trading/orders/search?min_position={head}"
    until(lambda: two.call("POST", search, {"limit": 2}).status == 200, "the rows are there")
    first = answered(one.call("POST", search, {"limit": 2})).body
    cursor = first["pagination"]["next_cursor"]
    second = answered(two.call("POST", search, {"limit": 2, "cursor": cursor})).body
    shown = [row["order_id"] for page in (first, second) for row in page["data"]]
    whole = answered(two.call("POST", search, {"limit": 4})).body["data"]
    assert shown == [row["order_id"] for row in whole][: len(shown)]
    assert len(shown) > 2


def test_a_request_repeated_at_the_other_is_answered_the_same(split: Split) -> None:
    one, two = split.clients
    body = order_body(Place("again"))
    first = answered(one.call("POST", "/trading/orders", body, Idempotency_Key="again"), 201)
    again = answered(two.call("POST", "/trading/orders", body, Idempotency_Key="again"), 201)
    assert again.headers["idempotency-replayed"] == "true"
    assert again.headers["log-position"] == first.headers["log-position"]
    assert again.body["order_id"] == first.body["order_id"]


def test_both_wait_for_the_read_models(split: Split) -> None:
    for client, key in zip(split.clients, ("w1", "w2"), strict=True):
        reply = client.call("POST", "/trading/orders", order_body(Place(key)), Prefer="wait=20")
        assert answered(reply, 201).headers["preference-applied"] == "wait=20"
        seen = client.call("POST", "/trading/orders/search", {"limit": 1000}).body["data"]
        assert reply.body["order_id"] in {row["order_id"] for row in seen}


def test_only_a_trusted_balancer_speaks_for_the_address_of_a_caller(split: Split) -> None:
    """Failed logins are slowed down by address: behind a balancer, by that of its client."""
    port = free_port()
    trusting = split.door("api", port, AVIARY_TRUSTED_PROXIES="127.0.0.1").start()
    user, wrong = HttpClient(port, login_of("admin", PASSWORD)), HttpClient(port, "Basic bm86cGU=")
    until(lambda: is_ready(user), "the API is ready", START_SECONDS)
    for number in range(2):
        wrong.call("GET", "/keys", X_Forwarded_For=f"203.0.113.{number}")
    HttpClient(split.ports[0], "Basic bm86cGU=").call("GET", "/keys", X_Forwarded_For="203.0.113.9")
    for api, caller in ((trusting, "203.0.113.1"), (split.apis[0], "127.0.0.1")):
        line = f"from {caller}\n"
        until(lambda a=api, said=line: said in a.log.read_text(), line)  # type: ignore[misc]
    trusting.stop()


def test_one_with_another_master_key_does_not_become_ready(split: Split) -> None:
    file = split.folder / "other_key"
    file.write_text(base64.b64encode(b"o" * 32).decode())
    stranger = split.door("api", split.door_port, AVIARY_MASTER_KEY_FILE=str(file)).start()
    client = HttpClient(split.door_port, login_of("admin", PASSWORD))

    def says_why() -> bool:
        try:
            reply = client.call("GET", "/ready")
        except Unanswered:
            return False
        return reply.status == 503 and reply.body["checks"]["master_key"] == "another"

    until(says_why, "the stranger says that it has another key", START_SECONDS)
    until(lambda: all(is_ready(known) for known in split.clients), "the others are ready")
    stranger.stop()
    states = split.rows("select state from workers where name = 'api' order by started_at")
    assert [states[0], states[1], states[-1]] == [("running",), ("running",), ("stopped",)]
