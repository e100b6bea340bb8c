"""What /ready says of the whole, and /ready/api of one process."""

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.api.live import Live, running
from tests.faults.processes import until
from tests.postgres_fixture import Database

pytestmark = pytest.mark.postgres
OWN = {"store": "ok", "migrations": "ok", "notifications": "ok", "master_key": "ok"}


def test_an_api_takes_commands_while_no_worker_runs_and_kafka_is_away(
    database: Callable[..., Database], seeded: Database, tmp_path: Path
) -> None:
    nowhere = ("127.0.0.1:1",)
    with running(
        database(template=seeded), tmp_path, kafka_bootstrap_servers=nowhere, lag_max_events=1
    ) as live:
        until(lambda: httpx.get(f"{live.url}/ready/api").status_code == 200, "it takes commands")
        assert httpx.get(f"{live.url}/ready/api").json() == {"status": "ready", "checks": OWN}
        order_id = live.placed()
        assert live.client.delete(f"/trading/orders/{order_id}").status_code < 300
        whole = httpx.get(f"{live.url}/ready")
        assert whole.status_code == 503
        workers = whole.json()["checks"]["workers"]
        needed = ("dispatcher", "projector", "scheduler", "relay")
        assert {name: workers[name]["state"] for name in needed} == dict.fromkeys(needed, "missing")


def test_it_is_ready_when_all_its_parts_are(live: Live) -> None:
    live.project()
    live.beat("dispatcher", "projector", "scheduler")
    live.place(headers={"Prefer": "wait=1"})
    answer = httpx.get(f"{live.url}/ready")
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["status"] == "ready"
    assert body["checks"]["store"] == body["checks"]["migrations"] == "ok"
    assert body["checks"]["workers"]["projector"]["lag"] == live.head() - 1
    assert body["checks"]["projections"]["orders"] == 1


def test_readiness_names_the_part_that_is_wrong_without_its_words(live: Live) -> None:
    live.beat("projector", state="failed: password is hush")
    answer = httpx.get(f"{live.url}/ready")
    assert answer.status_code == 503
    workers = answer.json()["checks"]["workers"]
    assert workers["projector"]["state"] == "failed"
    assert workers["dispatcher"]["state"] == "missing"
    assert "hush" not in answer.text


def test_a_name_is_well_if_one_of_its_processes_runs(live: Live) -> None:
    live.project()
    live.beat("dispatcher", "projector", "scheduler")
    live.beat("projector", process="two", state="failed: hush")
    live.beat("projector", process="three", state="stopped")
    live.beat("projector", process="four", seconds=-60)
    until(lambda: httpx.get(f"{live.url}/ready").status_code == 200, "it is ready")
    body = httpx.get(f"{live.url}/ready").json()["checks"]["workers"]
    assert (body["projector"]["state"], body["projector"]["processes"]) == (
        "running",
        ["running", "failed"],
    )
    assert body["api"]["processes"] == ["running"]
    live.sql("update workers set alive_at = alive_at - interval '1 minute' where process = 'p'")
    until(lambda: httpx.get(f"{live.url}/ready").status_code == 503, "it is not ready")
    lines = live.client.get("/metrics").text.splitlines()
    alive = [line for line in lines if line.startswith("worker_alive_seconds{")]
    shown = [line.partition('"')[2].partition('"')[0] for line in alive if '"projector"' in line]
    assert sorted(shown) == ["four", "p", "two"]


def test_a_relay_is_needed_where_there_is_a_kafka(
    database: Callable[..., Database], seeded: Database, tmp_path: Path
) -> None:
    with running(
        database(template=seeded), tmp_path, kafka_bootstrap_servers=("127.0.0.1:1",)
    ) as live:
        live.project()
        live.beat("dispatcher", "projector", "scheduler")
        answer = httpx.get(f"{live.url}/ready")
        assert (answer.status_code, answer.json()["checks"]["workers"]["relay"]["state"]) == (
            503,
            "missing",
        )
        live.beat("relay")
        until(lambda: httpx.get(f"{live.url}/ready").status_code == 200, "it is ready")
        live.sql("update checkpoints set feed = 'kafka' where projection = 'orders'")
        until(lambda: httpx.get(f"{live.url}/ready").status_code == 503, "it is not ready")
        live.beat("kafka-projector")
        until(lambda: httpx.get(f"{live.url}/ready").status_code == 200, "it is ready")


def test_an_api_process_with_another_master_key_is_not_ready(live: Live) -> None:
    live.project()
    live.beat("dispatcher", "projector", "scheduler")
    until(lambda: httpx.get(f"{live.url}/ready").status_code == 200, "it is ready")
    live.sql(
        "insert into workers (name, process, state, detail, started_at) values ('api', 'first', "
        """'running', '{"key_fingerprint": 1}', now() - interval '1 day')"""
    )
    until(lambda: httpx.get(f"{live.url}/ready").status_code == 503, "it is not ready")
    checks = httpx.get(f"{live.url}/ready").json()["checks"]
    assert checks["master_key"] == "another"
    own = httpx.get(f"{live.url}/ready/api")
    assert (own.status_code, own.json()["checks"]) == (503, {**OWN, "master_key": "another"})
    live.sql("update workers set state = 'stopped' where process = 'first'")
    until(lambda: httpx.get(f"{live.url}/ready").status_code == 200, "it is ready again")


def test_a_database_without_migrations_is_said(
    database: Callable[..., Database], tmp_path: Path
) -> None:
    with running(database(), tmp_path) as live:
        answer = httpx.get(f"{live.url}/ready")
        assert answer.status_code == 503
        assert answer.json()["checks"]["store"] == "ok"
        assert answer.json()["checks"]["migrations"].startswith("missing 0001, 0002")


def test_a_single_migration_that_is_missing_is_named(live: Live) -> None:
    live.sql("delete from schema_migrations where number = 2")
    answer = httpx.get(f"{live.url}/ready")
    assert answer.status_code == 503
    assert answer.json()["checks"]["migrations"] == "missing 0002"
    own = httpx.get(f"{live.url}/ready/api")
    assert (own.status_code, own.json()["checks"]["migrations"]) == (503, "missing 0002")
