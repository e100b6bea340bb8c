"""Many reads of the past at once take their turns and leave the pool to everybody else."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor, as_completed

import httpx
import psycopg
import pytest

from api import reading
from api.deps import PAST_READS_MAX
from tests.api.live import ORDER, PASSWORD, USER, Live

pytestmark = pytest.mark.postgres
CROWD = 12
SEARCH = "/trading/funding-payments"
WAITING = "select count(*) from pg_locks where relation = 'funding'::regclass and not granted"


def test_slow_reads_of_the_past_leave_connections_for_callers_and_orders(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "STATEMENT_SECONDS", 60.0)  # Until the others were turned away.
    body = {"name": "bot", "scopes": ["read", "trade"]}
    token = live.client.post("/keys", json=body).json()["token"]
    live.placed()
    then = live.project()
    together = threading.Barrier(CROWD)

    def ask() -> httpx.Response:
        with live.connect((USER, PASSWORD)) as client:
            together.wait()
            return client.post(SEARCH, json={}, params={"as_of": then})

    with psycopg.connect(live.database.owner_dsn) as owner, ThreadPoolExecutor(CROWD) as crowd:
        owner.execute("lock table funding in access exclusive mode")
        asked = [crowd.submit(ask) for _ in range(CROWD)]
        deadline = time.monotonic() + 60
        while live.sql(WAITING) != [(PAST_READS_MAX,)]:
            assert time.monotonic() < deadline, live.sql(WAITING)
        with live.connect(token=token) as bot:
            assert bot.post("/trading/orders", json=dict(ORDER)).status_code == 201
        ended = as_completed(asked)
        refused = [next(ended).result() for _ in range(CROWD - PAST_READS_MAX)]
        owner.rollback()
        served = [its.result() for its in ended]
    assert {(its.status_code, its.json()["code"]) for its in refused} == {(503, "as_of_busy")}
    assert {its.headers["Retry-After"] for its in refused} == {"2"}
    assert "Send the same request again" in refused[0].json()["detail"]
    assert [its.status_code for its in served] == [200] * PAST_READS_MAX
    after = live.client.post(SEARCH, json={}, params={"as_of": then})
    assert after.content == served[0].content
