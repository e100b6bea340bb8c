"""What /ready says of the whole, and /ready/api of one process."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.live import Live, running
from tests.faults.processes import until
from tests.postgres_fixture import Database
from tests.tls import TLS

pytestmark = pytest.mark.postgres
OWN = {"store": "ok", "migrations": "ok", "notifications": "ok", "master_key": "ok"}
HOUR = 3600
"""What beats from then on is alive as long as a test lasts."""


def asked(live: Live, status: int, path: str = "/ready", **checks: object) -> Any:
    """The answer, once it has this status and these checks, which a slow look has not."""
    answers: list[httpx.Response] = []

    def is_so() -> bool:
        answer = httpx.get(f"{live.url}{path}", timeout=30, verify=TLS)
        answers.append(answer)
        said = answer.json()["checks"]
        return answer.status_code == status and all(
            said.get(name) == value for name, value in checks.items()
        )

    until(is_so, f"{path} is {status} {checks}")
    return answers[-1].json()


def test_an_api_takes_commands_while_no_worker_runs_and_kafka_is_away(
    database: Callable[..., Database], seeded: Database, tmp_path: Path
) -> None:
    nowhere = ("127.0.0.1:1",)
    with running(
        database(template=seeded), tmp_path, kafka_bootstrap_servers=nowhere, lag_max_events=1
    ) as live:
        assert asked(live, 200, "/ready/api") == {"status": "ready", "checks": OWN}
        order_id = live.placed()
        assert live.client.delete(f"/trading/orders/{order_id}").status_code < 300
        workers = asked(live, 503, store="ok")["checks"]["workers"]
        needed = ("dispatcher", "projector", "scheduler", "relay")
        assert {name: workers[name]["state"] for name in needed} == dict.fromkeys(needed, "missing")


def test_it_is_ready_when_all_its_parts_are(live: Live) -> None:
    live.project()
    live.beat("dispatcher", "projector", "scheduler", seconds=HOUR)
    live.placed()
    body = asked(live, 200)
    assert body["status"] == "ready"
    assert body["checks"]["store"] == body["checks"]["migrations"] == "ok"
    assert body["checks"]["workers"]["projector"]["lag"] == live.head() - 1
    assert body["checks"]["projections"]["orders"] == 1


def test_readiness_names_the_part_that_is_wrong_without_its_words(live: Live) -> None:
    live.beat("projector", state="failed: password is hush")
    body = asked(live, 503, store="ok")
    workers = body["checks"]["workers"]
    assert workers["projector"]["state"] == "failed"
    assert workers["dispatcher"]["state"] == "missing"
    assert "hush" not in str(body)


def test_a_name_is_well_if_one_of_its_processes_runs(live: Live) -> None:
    live.project()
    live.beat("dispatcher", "projector", "scheduler", seconds=HOUR)
    live.beat("projector", process="two", state="failed: hush", seconds=HOUR)
    live.beat("projector", process="three", state="stopped", seconds=HOUR)
    live.beat("projector", process="four", seconds=-60)
    until(lambda: own_state(live) == "running", "the API has said that it runs")
    body = asked(live, 200)["checks"]["workers"]
    assert (body["projector"]["state"], body["projector"]["processes"]) == (
        "running",
        ["running", "failed"],
    )
    assert body["api"]["processes"] == ["running"]
    live.sql("update workers set alive_at = now() - interval '1 minute' where process = 'p'")
    asked(live, 503, store="ok")
    lines = live.client.get("/metrics").text.splitlines()
    alive = [line for line in lines if line.startswith("worker_alive_seconds{")]
    shown = [line.partition('"')[2].partition('"')[0] for line in alive if '"projector"' in line]
    assert sorted(shown) == ["four", "p", "two"]


def own_state(live: Live) -> str:
    workers = asked(live, 200)["checks"]["workers"]
    return str(workers.get("api", {}).get("state"))


def test_a_relay_is_needed_where_there_is_a_kafka(
    database: Callable[..., Database], seeded: Database, tmp_path: Path
) -> None:
    with running(
        database(template=seeded), tmp_path, kafka_bootstrap_servers=("127.0.0.1:1",)
    ) as live:
        live.project()
        live.beat("dispatcher", "projector", "scheduler", seconds=HOUR)
        workers = asked(live, 503, store="ok")["checks"]["workers"]
        assert workers["relay"]["state"] == "missing"
        live.beat("relay", seconds=HOUR)
        asked(live, 200)
        live.sql("update checkpoints set feed = 'kafka' where projection = 'orders'")
        asked(live, 503, store="ok")
        live.beat("kafka-projector", seconds=HOUR)
        asked(live, 200)


def test_an_api_process_with_another_master_key_is_not_ready(live: Live) -> None:
    live.project()
    live.beat("dispatcher", "projector", "scheduler", seconds=HOUR)
    asked(live, 200)
    live.sql(
        "insert into workers (name, process, state, detail, started_at, alive_at) values ('api', "
        """'first', 'running', '{"key_fingerprint": 1}', now() - interval '1 day', """
        "now() + interval '1 hour')"
    )
    asked(live, 503, master_key="another")
    own = asked(live, 503, "/ready/api", master_key="another")
    assert own["checks"] == {**OWN, "master_key": "another"}
    live.sql("update workers set state = 'stopped' where process = 'first'")
    asked(live, 200)


def test_a_database_without_migrations_is_said(
    database: Callable[..., Database], tmp_path: Path
) -> None:
    with running(database(), tmp_path) as live:
        checks = asked(live, 503, store="ok")["checks"]
        assert checks["migrations"].startswith("missing 0001, 0002")


def test_a_single_migration_that_is_missing_is_named(live: Live) -> None:
    live.sql("delete from schema_migrations where number = 2")
    asked(live, 503, migrations="missing 0002")
    asked(live, 503, "/ready/api", migrations="missing 0002")
