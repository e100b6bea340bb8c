"""Health, metrics, and answers while the store is away."""

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import httpx
import psutil
import pytest

from adapters.postgres.embedded import EmbeddedPostgres
from api import reading, status, submitting
from api.market.rules import NotTradable, fit
from domain.order_messages import DispatchOrder, RecordUnknown
from tests.api.live import EUR_USD, Live, running
from tests.faults.processes import until
from tests.market.scripted import ScriptedVenue
from tests.postgres_fixture import Database
from workers.running.database import Dsns, migrate_for

pytestmark = pytest.mark.postgres


def test_the_front_page_is_the_contract_s(shared: Live) -> None:
    body = httpx.get(shared.url).json()
    assert (body["name"], body["status"]) == ("Hummingbot API", "running")
    assert httpx.get(f"{shared.url}/health").json() == {"status": "alive"}


def test_metrics_tell_what_happened(live: Live) -> None:
    order_id = live.placed()
    live.place(account_name="nobody")
    live.execute(f"order-{order_id}", DispatchOrder(1, 1, 0), "dispatch")
    live.execute(f"order-{order_id}", RecordUnknown("timeout", 1), "unknown")
    live.project()
    live.beat("dispatcher")
    text = live.client.get("/metrics").text
    for line in (
        'commands_total{command="order.place",outcome="accepted"} 1.0',
        'commands_total{command="order.place",outcome="refused"} 1.0',
        f"log_position {live.head():.1f}",
        'projection_lag_events{projection="orders"} 0.0',
        "order_outcome_unknown 1.0",
        'worker_venue_calls{process="p",worker="dispatcher"} 3.0',
        'http_requests_total{method="POST",route="/trading/orders",status="201"} 1.0',
        'http_requests_total{method="POST",route="/trading/orders",status="404"} 1.0',
        'http_request_seconds_count{method="POST",route="/trading/orders"} 2.0',
        "commands_in_flight 0.0",
    ):
        assert line in text.splitlines(), line
    assert httpx.get(f"{live.url}/metrics").status_code == 401


@pytest.fixture
def fragile(tmp_path: Path) -> Iterator[tuple[EmbeddedPostgres, Live]]:
    """An API on a server of its own, which the test may stop."""
    server = EmbeddedPostgres(tmp_path / "cluster")
    with server:
        dsns = Dsns(server.dsn("app"), server.dsn("owner"))
        migrate_for(dsns)
        with running(Database("aviary", dsns.owner, dsns.app), tmp_path) as live:
            yield server, live


@pytest.mark.faults
def test_while_the_store_is_away_nothing_is_guessed(
    fragile: tuple[EmbeddedPostgres, Live],
) -> None:
    server, live = fragile
    assert live.client.get("/trading/orders").json()["data"] == []
    server.stop()
    for answer in (
        live.client.get("/trading/orders"),
        live.client.get("/audit/events"),
        live.client.get("/audit/verify"),
        live.client.get("/metrics"),
        live.place(),
    ):
        assert answer.status_code == 503, answer.text
        assert answer.json()["code"] == "store_unavailable"
        assert "Retry-After" in answer.headers
    assert len(live.place().headers["Command-Id"]) == 32
    assert httpx.get(f"{live.url}/health").status_code == 200
    ready = httpx.get(f"{live.url}/ready")
    assert (ready.status_code, ready.json()["checks"]["store"]) == (503, "away")
    server.start()
    assert live.client.get("/trading/orders").status_code == 200
    assert live.place().status_code == 404  # no account yet: the log was written


@pytest.mark.faults
def test_a_store_that_comes_back_is_read_at_once(fragile: tuple[EmbeddedPostgres, Live]) -> None:
    server, live = fragile
    assert live.client.get("/trading/orders").status_code == 200
    server.stop()
    away_since = time.monotonic()
    while time.monotonic() < away_since + 3:  # So the pause to the next attempt may be long.
        assert live.client.get("/trading/orders").status_code == 503
    server.start()
    assert live.client.get("/trading/orders").status_code == 200


@contextmanager
def frozen(server: EmbeddedPostgres) -> Iterator[None]:
    """The server and all its sessions stand still."""
    pid = server.pid
    assert pid is not None
    pids = [pid]
    try:
        os.kill(pid, signal.SIGSTOP)
        until(lambda: psutil.Process(pid).status() == psutil.STATUS_STOPPED, "it starts no more")
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for one in map(int, children):
            os.kill(one, signal.SIGSTOP)
            pids.append(one)
        yield
    finally:
        for one in pids:
            os.kill(one, signal.SIGCONT)


@pytest.mark.faults
def test_a_frozen_store_hangs_nobody(
    fragile: tuple[EmbeddedPostgres, Live], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, live = fragile
    monkeypatch.setattr(reading, "POOL_WAIT_SECONDS", 0.3)
    monkeypatch.setattr(reading, "STATEMENT_SECONDS", 0.5)
    monkeypatch.setattr(submitting, "COMMIT_SECONDS", 1.0)
    monkeypatch.setattr(status, "READY_SECONDS", 0.4)
    headers = {"Idempotency-Key": "frozen"}
    live.place()
    with frozen(server):
        answers = [
            httpx.get(f"{live.url}/ready"),
            live.client.get("/trading/orders"),
            live.client.get("/metrics"),
            live.place(headers=headers),
            live.place(),
            live.client.delete(f"/trading/orders/av{'a' * 26}"),
        ]
    assert [answer.status_code for answer in answers] == [503] * 6
    assert answers[0].json()["checks"]["store"] == "away"
    assert [answer.json()["code"] for answer in answers[1:3]] == ["store_unavailable"] * 2
    assert all(answer.elapsed.total_seconds() < 7 for answer in answers)
    for answer in answers[3:]:
        assert answer.json()["code"] == "outcome_unknown"
        assert len(answer.headers["Command-Id"]) == 32
    assert "same Idempotency-Key" in answers[3].json()["detail"]
    assert answers[4].headers["Command-Id"] in answers[4].json()["detail"]
    monkeypatch.undo()
    again = live.place(headers=headers)
    assert again.status_code == 404  # no account yet: the log was written
    assert again.headers["Command-Id"] == answers[3].headers["Command-Id"]


def test_the_api_starts_while_the_store_is_away(tmp_path: Path) -> None:
    nowhere = "postgresql://someone:hush@127.0.0.1:1/aviary"
    with running(Database("aviary", nowhere, nowhere), tmp_path) as live:
        for path in ("/ready", "/ready/api"):
            answer = httpx.get(f"{live.url}{path}")
            assert (answer.status_code, answer.json()["checks"]["store"]) == (503, "away")
            assert "hush" not in answer.text


def test_rules_that_were_never_read_are_no_reason_to_guess(
    database: Callable[..., Database], seeded: Database, tmp_path: Path
) -> None:
    with running(database(template=seeded), tmp_path, {"paper": Silent()}) as live:
        answer = live.place()
        assert (answer.status_code, answer.json()["code"]) == (503, "rules_not_loaded")
        assert answer.headers["Retry-After"] == "1"


def test_nobody_waits_for_the_rules_of_what_the_account_may_not_trade(
    database: Callable[..., Database], seeded: Database, tmp_path: Path
) -> None:
    venues = {"paper": ScriptedVenue(EUR_USD), "okx": Silent()}
    with running(database(template=seeded), tmp_path, venues) as live:
        answer = live.place(connector_name="okx")
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_connector")
        assert live.place(connector_name="okx", account_name="nobody").status_code == 404


class Silent(ScriptedVenue):
    async def trading_rules(self) -> tuple[()]:
        await asyncio.Event().wait()
        return ()


def test_waiting_for_the_read_models_is_said_when_it_held(live: Live) -> None:
    live.project()
    asking = threading.Event()
    answers: list[httpx.Response] = []

    def place() -> None:
        asking.set()
        answers.append(live.place(headers={"Prefer": "respond-async, wait=20"}))

    thread = threading.Thread(target=place)
    thread.start()
    asking.wait()
    while thread.is_alive():
        live.project()
        thread.join(0.05)
    (answer,) = answers
    assert answer.headers["Preference-Applied"] == "wait=20"
    assert answer.json()["order_status"] == "SUBMITTED"


def test_waiting_in_vain_is_answered_without_a_lie(live: Live) -> None:
    answer = live.place(headers={"Prefer": "wait=0"})
    assert answer.status_code == 201
    assert "Preference-Applied" not in answer.headers
    assert "order_status" not in answer.json()


def test_amounts_are_never_rounded_up() -> None:
    cut, price = fit(EUR_USD, "BUY", "LIMIT", Decimal("9.99"), Decimal("1.00009"))
    assert (cut, price) == (Decimal("9.9"), Decimal("1.0000"))
    _, price = fit(EUR_USD, "SELL", "LIMIT", Decimal("9.99"), Decimal("1.00001"))
    assert price == Decimal("1.0001")
    huge = Decimal("999999.00000000000000000000000000000001")
    assert fit(EUR_USD, "BUY", "MARKET", huge, None)[0] == Decimal(999999)
    with pytest.raises(NotTradable):
        fit(EUR_USD, "BUY", "LIMIT", Decimal(100), Decimal("0.00001"))
