import asyncio
import contextlib
import csv
import io
import json
import threading
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import httpx
import psutil
import pyarrow as pa
import pytest

from tests.analytics.conftest import HEAD, TRADES, Desk

pytestmark = pytest.mark.postgres
ARROW = "application/vnd.apache.arrow.stream"
LONG = "select count(*) from range(1000000) a, range(1000000000) b"


def until(is_so: Callable[[], bool], seconds: float = 60.0) -> None:
    give_up_at = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < give_up_at, "it did not come to that"
        time.sleep(0.02)


def processes() -> list[psutil.Process]:
    return [child for child in psutil.Process().children(recursive=True) if _is_query(child)]


def _is_query(child: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):  # Postgres' own come and go.
        return child.status() != psutil.STATUS_ZOMBIE and any(
            "sandbox_child" in part for part in child.cmdline()
        )
    return False


def _is_idle(child: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return child.cpu_percent(0.1) < 50
    return True


def test_json_tells_columns_rows_and_the_position(desk: Desk) -> None:
    answer = desk.ask(
        "select account, sum(quantity) as q, count(*) n from trades group by 1 order by 1"
    )
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["Log-Position"] == str(HEAD)
    assert answer.headers["Aviary-Row-Count"] == "3"
    sums = [sum(Decimal(n) / 1000 for n in range(1, TRADES + 1) if n % 3 == k) for k in range(3)]
    body = answer.json()
    assert body["columns"] == [
        {"name": "account", "type": "VARCHAR"},
        {"name": "q", "type": "DECIMAL(38,18)"},
        {"name": "n", "type": "BIGINT"},
    ]
    assert body["rows"] == [
        ["account0", f"{sums[0]:.18f}", 1666],
        ["account1", f"{sums[1]:.18f}", 1667],
        ["account2", f"{sums[2]:.18f}", 1667],
    ]
    assert (body["truncated"], body["truncated_by"]) == (False, None)
    assert (body["row_count"], body["position"]) == (3, HEAD)


def test_every_kind_of_value_has_its_json(desk: Desk) -> None:
    answer = desk.ask(
        "select 0::decimal(38,18) zero, 170141183460469231731687303715884105727::hugeint huge, "
        "'nan'::double no_number, '\\xAB'::blob bytes, {'a': [1.50::decimal(4,2)]} nested, null n, "
        "true flag, timestamp '2026-01-02 03:04:05.678' at time zone 'UTC' moment, interval 1 day d"
    )
    assert json.loads(answer.text, parse_int=str)["rows"] == [
        [
            "0.000000000000000000",
            "170141183460469231731687303715884105727",
            None,
            "qw==",
            {"a": ["1.50"]},
            None,
            True,
            "2026-01-02T03:04:05.678000Z",
            "P1D",
        ]
    ]


def test_csv_has_a_header_and_the_same_words(desk: Desk) -> None:
    answer = desk.ask(
        "select trade_id, price, null n, 'a,\"b' t from trades order by position limit 2",
        Accept="text/csv",
    )
    assert answer.headers["content-type"] == "text/csv; charset=utf-8; header=present"
    assert answer.headers["Log-Position"] == str(HEAD)
    assert list(csv.reader(io.StringIO(answer.text, newline=""))) == [
        ["trade_id", "price", "n", "t"],
        ["t1", "1.000000000000000001", "", 'a,"b'],
        ["t2", "1.000000000000000001", "", 'a,"b'],
    ]


def test_arrow_keeps_the_types(desk: Desk) -> None:
    answer = desk.ask("select position, price from trades order by position", Accept=ARROW)
    assert answer.headers["content-type"] == ARROW
    assert answer.headers["Aviary-Truncated"] == "rows"
    table = pa.ipc.open_stream(answer.content).read_all()
    assert table.schema.types == [pa.int64(), pa.decimal128(38, 18)]
    assert table.column("position").to_pylist() == list(range(1, 2001))
    assert table.column("price")[0].as_py() == Decimal("1.000000000000000001")


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("*/*", "application/json"),
        ("text/*", "text/csv"),
        ("text/csv;q=0.1, application/json;q=0", "text/csv"),
        (f"{ARROW}, application/json;q=0.5", ARROW),
        ("application/json;q=x, text/csv", "text/csv"),
    ],
)
def test_accept_chooses(desk: Desk, accept: str, kind: str) -> None:
    answer = desk.ask("select 1", Accept=accept)
    assert answer.headers["content-type"].partition(";")[0] == kind


def test_what_is_not_there_is_406(desk: Desk) -> None:
    answer = desk.ask("select 1", Accept="application/xml")
    assert answer.status_code == 406
    assert "text/csv" in answer.json()["detail"]


@pytest.mark.parametrize(
    "body", [{}, {"sql": ""}, {"sql": 1}, {"sql": "x" * 100_001}, {"sql": None}]
)
def test_a_bad_body_is_422(desk: Desk, body: object) -> None:
    answer = desk.live.client.post("/analytics/query", json=body)
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", "sql"]


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("selec 1", "syntax error"),
        ("select nothing_of_this from trades", "nothing_of_this"),
        ("select 'x'::int", "Could not convert"),
        ("select max((quantity * 1000) * price) from trades", "Overflow"),
        (";", ""),
        ("-- nothing", ""),
    ],
)
def test_a_wrong_query_is_400_in_the_words_of_duckdb(desk: Desk, sql: str, said: str) -> None:
    answer = desk.ask(sql)
    assert answer.status_code == 400, answer.text
    assert said in answer.text
    assert "Traceback" not in answer.text


def test_rows_and_bytes_are_cut_and_say_so(desk: Desk) -> None:
    rows = desk.ask("select position from trades order by position").json()
    assert (rows["row_count"], rows["truncated_by"], rows["truncated"]) == (2000, "rows", True)
    assert [row[0] for row in rows["rows"]] == list(range(1, 2001))
    exactly = desk.ask("select position from trades order by position limit 2000").json()
    assert (exactly["row_count"], exactly["truncated"]) == (2000, False)
    large = desk.ask("select repeat('x', 1000000) from range(40)").json()
    assert (large["row_count"], large["truncated_by"]) == (16, "bytes")


def test_its_own_scope_is_needed(desk: Desk) -> None:
    def token(*scopes: str) -> str:
        body = {"name": "k", "scopes": list(scopes)}
        return str(desk.live.client.post("/keys", json=body).json()["token"])

    reader, analyst = token("read", "trade", "admin"), token("analyse")
    desk.live.project()
    for path in ("/analytics/query", "/analytics/tables"):
        method = "GET" if path.endswith("tables") else "POST"
        body = None if method == "GET" else {"sql": "select 1"}
        with desk.live.connect(token=reader) as client:
            assert client.request(method, path, json=body).status_code == 403
        with desk.live.connect(token=analyst) as client:
            assert client.request(method, path, json=body).status_code == 200
    with desk.live.connect(token=analyst) as client:
        assert client.get("/accounts/").status_code == 403
    with desk.live.connect() as client:
        assert client.post("/analytics/query", json={"sql": "select 1"}).status_code == 401


def test_tables_tell_columns_units_and_how_far_they_are(desk: Desk) -> None:
    answer = desk.live.client.get("/analytics/tables")
    assert answer.status_code == 200, answer.text
    found = {table["name"]: table for table in answer.json()["data"]}
    folded = {"trades", "orders", "portfolio", "portfolio_values", "funding"}
    assert set(found) == folded | {"candles", "events"}
    assert (found["trades"]["kind"], found["trades"]["position"]) == ("folded", HEAD)
    assert (found["events"]["kind"], found["events"]["position"]) == ("exported", 0)
    assert (found["candles"]["kind"], found["candles"]["position"]) == ("collected", None)
    columns = {column["name"]: column for column in found["trades"]["columns"]}
    assert columns["quantity"] == {
        "name": "quantity",
        "type": "DECIMAL(38,18)",
        "unit": "base units",
    }
    figures = [c for t in found.values() for c in t["columns"] if c["type"] != "VARCHAR"]
    without = {(c["name"], c["type"]) for c in figures if c["unit"] is None}
    assert without == {("is_carried", "BOOLEAN")}
    assert answer.headers["Log-Position"] == "0"


def test_a_query_over_its_time_is_ended_and_its_process_too(desk: Desk) -> None:
    desk.ask("select 1")
    before = {process.pid for process in processes()}
    with desk.allowing(3):
        answer = desk.ask(LONG)
    assert (answer.status_code, answer.json()["code"]) == (400, "query_too_long")
    assert "3 s of AVIARY_ANALYTICS_SECONDS" in answer.json()["detail"]
    until(lambda: not {process.pid for process in processes()} & before)
    assert desk.ask("select 1").status_code == 200


def test_a_client_that_goes_takes_its_query_with_it(desk: Desk) -> None:
    until(lambda: not desk.live.deps.sandbox.running)

    async def ask_and_go() -> None:
        async with httpx.AsyncClient(
            base_url=desk.live.url, auth=("tester", "correct horse")
        ) as client:
            with pytest.raises(httpx.ReadTimeout):
                await client.post("/analytics/query", json={"sql": LONG}, timeout=1.0)

    with desk.allowing(120):
        asyncio.run(ask_and_go())
        until(lambda: not desk.live.deps.sandbox.running)
    until(lambda: all(map(_is_idle, processes())))


def test_more_at_once_than_may_run_is_429(desk: Desk) -> None:
    sandbox = desk.live.deps.sandbox
    answers: list[int] = []
    threads = [
        threading.Thread(target=lambda: answers.append(desk.ask(LONG).status_code))
        for _ in range(2)
    ]
    with desk.allowing(6):
        for thread in threads:
            thread.start()
        until(lambda: sandbox.running == 2)
        refused = desk.ask("select 1")
        assert desk.live.client.get("/").status_code == 200
        for thread in threads:
            thread.join()
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_queries")
    assert refused.headers["Retry-After"] == "1"
    assert answers == [400, 400]
    assert desk.ask("select 1").status_code == 200


def test_nothing_is_left_of_a_query_but_its_process_for_the_next(desk: Desk) -> None:
    assert desk.ask("select 1").status_code == 200
    spill = Path(desk.lake.reading.spill)
    until(lambda: len(list(spill.glob("analytics-*"))) == len(processes()) >= 1)
