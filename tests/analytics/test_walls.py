"""What an analyst may try. The first wall is the tree of the query; the others hold without it."""

import asyncio
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest

from adapters.lake import sandbox
from adapters.lake.attach import LakeUnavailable, Place
from adapters.lake.sandbox import BadQuery, Bounds, Sandbox
from adapters.lake.sandbox_formats import JSON
from adapters.postgres.bootstrap import APP, let_connect
from adapters.postgres.embedded import EmbeddedPostgres
from tests.analytics.conftest import TRADES, Desk
from tests.analytics.test_analytics_query import processes
from tests.lakes import Lake
from tests.postgres_fixture import Database

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.postgres
BEHIND = "__ducklake_metadata_lake"
REFUSED = (
    "attach '/etc/passwd' as x",
    "attach 'host=127.0.0.1' as x (type postgres)",
    "detach lake",
    "use memory",
    "select * from read_text('/etc/passwd')",
    "select * from read_blob('/proc/self/environ')",
    "select * from read_csv('/etc/hosts')",
    "select * from read_csv_auto('/etc/hosts')",
    "select * from read_json('/etc/hosts')",
    "select * from read_parquet('/etc/hosts')",
    "select * from parquet_scan('/etc/hosts')",
    "select * from glob('/etc/*')",
    "select * from sniff_csv('/etc/passwd')",
    "select * from '/etc/passwd'",
    'select * from "/etc/hosts.csv"',
    "select * from 'https://example.com/x.parquet'",
    'with "/etc/hosts.csv" as (select 1) select * from "/etc/hosts.csv"',
    f"select * from postgres_query('{BEHIND}', 'select 1')",
    f"select * from {BEHIND}.ducklake_data_file",
    f"select * from {BEHIND}.pg_catalog.pg_authid",
    "select * from postgres_scan('host=127.0.0.1', 'public', 'events')",
    "select * from postgres_scan_pushdown('host=127.0.0.1', 'public', 'events')",
    "call postgres_attach('host=127.0.0.1')",
    f"call postgres_execute('{BEHIND}', 'select 1')",
    "call ducklake_expire_snapshots('lake', older_than => now())",
    "select * from ducklake_snapshots('lake')",
    "select * from lake.snapshots()",
    "select * from lake.main.table_info()",
    "copy trades to '/tmp/x.csv'",
    "copy (select 1) to '/tmp/x.csv'",
    "copy trades from '/etc/passwd'",
    "export database '/tmp/x'",
    "import database '/tmp/x'",
    "install httpfs",
    "force install httpfs from 'http://127.0.0.1'",
    "load httpfs",
    "set threads = 8",
    "set memory_limit = '9GB'",
    "reset memory_limit",
    "set variable x = 1",
    "pragma memory_limit = '9GB'",
    "pragma database_list",
    "pragma version",
    "create table x (i int)",
    "create temp table x (i int)",
    "create view x as select 1",
    "create macro x() as 1",
    "create secret (type s3)",
    "create function x() as 1",
    "insert into trades select * from trades",
    "delete from trades",
    "update trades set price = 1",
    "truncate trades",
    "drop table trades",
    "alter table trades add column x int",
    "select getenv('PATH')",
    "select current_setting('temp_directory')",
    "select getvariable('x')",
    "select write_log('x')",
    "select sleep_ms(1)",
    "select * from duckdb_settings()",
    "select * from duckdb_secrets()",
    "select * from duckdb_databases()",
    "select * from duckdb_databases",
    "select * from duckdb_functions()",
    "select * from duckdb_logs",
    "select * from pragma_database_list()",
    "select * from pragma_show('trades')",
    "select * from information_schema.tables",
    "select * from pg_catalog.pg_class",
    "select * from pg_class",
    "select * from sqlite_master",
    "select * from query('select 1')",
    "select * from query_table('trades')",
    "select * from json_execute_serialized_sql(json_serialize_sql('select 1'))",
    "select * from test_all_types()",
    "select (select max(content) from read_text('/etc/passwd'))",
    "select * from trades where account in (select content from read_text('/etc/passwd'))",
    "select * from trades order by (select count(*) from glob('/etc/*'))",
    "with a as (with b as (select * from glob('/etc/*')) select * from b) select * from a",
    "select * from trades t, lateral (select * from read_text(t.account))",
    "with duckdb_secrets as (select 1) select * from duckdb_secrets",
    "(with x as (select 1) select * from x) union all select * from duckdb_settings()",
    "show databases",
    "show all tables",
    "show tables",
    "explain select 1",
    "explain analyze select 1",
    "prepare x as select 1",
    "execute x",
    "begin",
    "commit",
    "vacuum",
    "checkpoint",
    "select 1; select 2",
    "select 1; drop table trades",
    "pivot trades on pair using sum(price)",
    "select * from trades where ? = 1",
    "merge into trades using trades t on true when matched then delete",
)
WITHOUT_THE_FIRST = sandbox._START.replace(  # noqa: SLF001 - the wall that these tests take away
    "from adapters.lake.sandbox_child import main",
    "from adapters.lake import sandbox_child; "
    "sandbox_child.tables_of = lambda c, s: frozenset(); main = sandbox_child.main",
)


@pytest.mark.parametrize("sql", REFUSED)
def test_it_is_refused_and_the_api_lives(desk: Desk, sql: str) -> None:
    answer = desk.ask(sql)
    assert answer.status_code == 400, answer.text
    assert answer.json()["code"] in {"query_not_allowed", "query_failed"}
    assert_tells_nothing(answer.text, desk.lake)
    assert desk.live.client.get("/").status_code == 200


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("select sum(range) from range(1000000000000)", "query_too_long"),
        (
            "with recursive a as (select 1 i union all select i + 1 from a) select count(*) from a",
            "query_too_long",
        ),
        (
            "with recursive a as (select 'x' t union all select t || t from a) select 1 from a",
            "query_too_large",
        ),
        ("select list(range) from range(300000000)", "query_too_large"),
        ("select repeat('x', 2000000000) || repeat('y', 2000000000)", "query_too_large"),
        ("select count(distinct md5(range::varchar)) from range(3000000000)", "query_too_large"),
        ("select count(*) from trades a, trades b, trades c where a.price + b.price > 9", ""),
        ("select * from range(100000000) a order by hash(range) desc", ""),
        ("select regexp_matches(repeat('a', 5000000), '(a*)*b')", ""),
        (f"select {'(' * 40000}1{')' * 40000}", ""),
        (f"select {'1+' * 45000}1", ""),
        (f"select {'not ' * 20000}true", ""),
        (f"select {'[' * 20000}1{']' * 20000}", ""),
        ("select " + " union all select ".join(["1"] * 5000), ""),
    ],
    ids=range(14),
)
def test_a_bomb_is_bounded_and_the_api_lives(desk: Desk, sql: str, code: str) -> None:
    answers: list[Any] = []
    thread = threading.Thread(target=lambda: answers.append(desk.ask(sql)))
    with desk.allowing(3):
        thread.start()
        while thread.is_alive():
            assert desk.live.client.get("/").status_code == 200
            thread.join(0.05)
    assert answers[0].status_code in ({400} if code else {200, 400}), answers[0].text[:500]
    assert not code or answers[0].json()["code"] in {code, "query_too_long"}
    assert_tells_nothing(answers[0].text, desk.lake)
    assert desk.ask("select 1").json()["rows"] == [[1]]


@pytest.mark.parametrize("url", ["/analytics/query"])
def test_a_process_knows_no_secret_of_ours(desk: Desk, url: str) -> None:
    assert desk.live.client.post(url, json={"sql": "select 1"}).status_code == 200
    children = processes()
    assert children
    for child in children:
        environment = child.environ()
        assert set(environment) == {"HOME", "TMPDIR", "LC_ALL", "TZ"}
        assert "password" not in " ".join(child.cmdline())
        assert child.cwd() == environment["HOME"]
        opened = {Path(f"/proc/{child.pid}/fd/{n.name}").readlink() for n in fds_of(child.pid)}
        named = {str(one) for one in opened}
        assert not [one for one in named if "secrets" in one or one.endswith((".sql", ".log"))]


def fds_of(pid: int) -> list[Path]:
    return list(Path(f"/proc/{pid}/fd").iterdir())


def assert_tells_nothing(text: str, lake: Lake) -> None:
    place: Place = lake.reading
    password = place.dsn.partition(":")[2].partition(":")[2].partition("@")[0]
    assert len(password) > 10
    for secret in (password, place.data.rstrip("/"), place.spill, "host=", "root:x:0"):
        assert secret not in text


class Bare:
    """Without the first wall: what a query is, is not looked at."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def ask(self, *queries: str) -> list[str]:
        """What each comes to, one after another in one process."""
        return asyncio.run(self._ask(queries))

    async def _ask(self, queries: Sequence[str]) -> list[str]:
        opened = Sandbox(self._place, Bounds(seconds=5.0, memory_mb=128))
        found = []
        try:
            for sql in queries:
                try:
                    found.append((await opened.run(sql, JSON)).body.decode())
                except (BadQuery, LakeUnavailable) as error:
                    found.append(f"{type(error).__name__}: {error}")
        finally:
            await opened.close()
        return found


@pytest.fixture
def bare(stocked: Lake, monkeypatch: pytest.MonkeyPatch) -> Bare:
    monkeypatch.setattr(sandbox, "_START", WITHOUT_THE_FIRST)
    return Bare(stocked.reading)


def test_the_first_wall_is_away_where_these_tests_say_so(bare: Bare) -> None:
    (found,) = bare.ask("select count(*) from duckdb_settings()")
    assert '"row_count":1' in found


@pytest.mark.parametrize(
    "sql",
    [
        "select * from read_text('/etc/passwd')",
        "select * from read_text('{folder}/master.key')",
        "select * from glob('{folder}/*')",
        "select * from read_blob('/proc/self/environ')",
        "attach '/tmp/x.db' as x",
        "attach 'host=127.0.0.1' as x (type postgres)",
        "copy (select 1) to '/tmp/aviary-x.csv'",
        "copy trades to '{folder}/lake/x.csv'",
        "export database '{folder}/lake/x'",
        "install httpfs",
        "load httpfs",
        "set memory_limit = '9GB'",
        "set lock_configuration = false",
        "set enable_external_access = true",
        "pragma threads = 9",
        "create table lake.main.x (i int)",
        "delete from trades",
        "select * from postgres_query('__ducklake_metadata_lake', 'delete from ducklake_snapshot')",
        "select * from postgres_query('__ducklake_metadata_lake', 'create table x (i int)')",
        "select * from postgres_query('__ducklake_metadata_lake', 'select * from pg_authid')",
        "select * from postgres_query('__ducklake_metadata_lake', $$select pg_read_file('/x')$$)",
        "call postgres_execute('__ducklake_metadata_lake', 'drop table ducklake_snapshot')",
        (
            "call postgres_execute('__ducklake_metadata_lake', "
            "$$copy (select 1) to program 'touch /tmp/aviary-x'$$)"
        ),
    ],
)
def test_without_the_first_wall_others_hold(bare: Bare, stocked: Lake, sql: str) -> None:
    (stocked.folder / "master.key").touch()
    before = sorted(stocked.data.rglob("*"))
    found, again = bare.ask(sql.format(folder=stocked.folder), "select count(*) from trades")
    assert found.startswith(("BadQuery", "LakeUnavailable")), found
    assert f'"rows":[[{TRADES}]]' in again
    assert sorted(stocked.data.rglob("*")) == before
    assert not list(Path("/tmp").glob("aviary-x*"))  # noqa: S108 - where the queries would write


def test_the_reading_login_does_not_reach_the_log(
    bare: Bare, stocked: Lake, log: Database, cluster: EmbeddedPostgres
) -> None:
    """Another database of the same server, asked for with the login that the process has."""
    dsn = stocked.reader_dsn.replace(f"/{stocked.name}?", f"/{log.name}?")
    assert dsn != stocked.reader_dsn
    sql = f"select * from postgres_scan('{dsn}', 'public', 'events')"
    assert "permission denied for table events" in bare.ask(sql)[0]
    with psycopg.connect(cluster.dsn("superuser", "postgres"), autocommit=True) as superuser:
        let_connect(superuser, log.name, APP)  # as every database of ours is made
    assert "permission denied for database" in bare.ask(sql)[0]


def test_a_process_reaches_no_other_port(bare: Bare) -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        listening.settimeout(0.0)
        port = listening.getsockname()[1]
        (found,) = bare.ask(f"select * from postgres_scan('host=127.0.0.1 port={port}', 'x', 'y')")
        assert "Permission denied" in found
        with pytest.raises(BlockingIOError):
            listening.accept()


def test_landlock_alone_keeps_files_and_programs_away(stocked: Lake, tmp_path: Path) -> None:
    """Without DuckDB: what any code in such a process comes to."""
    own, secret = tmp_path / "own", tmp_path / "secret"
    own.mkdir()
    secret.write_text("hush")
    code = f"""
import subprocess
from adapters.lake.sandbox_walls import enclose
assert enclose([{str(stocked.data)!r}], {str(own)!r}, [], 4096, 16)
for attempt in (
    lambda: open({str(secret)!r}),
    lambda: open({str(stocked.data / "x")!r}, "w"),
    lambda: open("/tmp/aviary-x", "w"),
    lambda: subprocess.run(["/bin/true"]),
    lambda: open("/proc/self/environ"),
    lambda: open("/proc/self/mem", "rb"),
    lambda: __import__("os").unlink({str(secret)!r}),
):
    try:
        attempt()
    except PermissionError:
        continue
    raise SystemExit("it was let through")
open({str(own / "x")!r}, "w").write("mine")
try:
    bytearray(8 << 30)
except MemoryError:
    print("enclosed")
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.returncode) == ("enclosed\n", 0), done.stderr
