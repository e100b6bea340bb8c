"""The lake in an object store: the same batches, keeping, rebuilding and reading, over S3's HTTP.

The store is moto's server, a process of its own. It checks no signatures.
"""

import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import botocore.exceptions
import duckdb
import pytest
from msgspec import Struct, structs

from adapters.lake.tables import FOLDED, TABLES
from tests.api.live import running
from tests.faults.processes import until
from tests.lake.logs import begin, expected_counts
from tests.lakes import Lake, batching, catch_up_lake
from tests.ports import free_port
from tests.postgres_fixture import Database
from tests.stores import empty
from workers.lake.keeping import Keeping
from workers.lake.rebuilding import rebuild

pytestmark = pytest.mark.postgres
BUCKET = "market"
REGION = "eu-central-1"
SECRET = "canary-of-the-store"


class Store(Struct, frozen=True):
    url: str

    @property
    def settings(self) -> dict[str, Any]:
        return {
            "lake_data": f"s3://{BUCKET}/aviary",
            "lake_store_key_id": "key",
            "lake_store_secret": SECRET,
            "lake_store_region": REGION,
            "lake_store_endpoint": self.url,
        }

    @property
    def client(self) -> Any:
        return boto3.client(
            "s3",
            endpoint_url=self.url,
            aws_access_key_id="key",
            aws_secret_access_key=SECRET,
            region_name=REGION,
        )

    def files(self, table: str) -> list[str]:
        found = self.client.list_objects_v2(Bucket=BUCKET, Prefix=f"aviary/main/{table}/")
        return [each["Key"] for each in found.get("Contents", [])]

    def lose(self, *tables: str) -> None:
        for key in [key for table in tables for key in self.files(table)]:
            self.client.delete_object(Bucket=BUCKET, Key=key)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    port = free_port()
    said = (tmp_path_factory.mktemp("store") / "said").open("w")
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with said, subprocess.Popen(command, stdout=said, stderr=said) as process:
        found = Store(f"http://127.0.0.1:{port}")
        try:
            until(lambda: _is_made(found), "the store has a bucket", 60)
            yield found
        finally:
            process.kill()


def _is_made(store: Store) -> bool:
    try:
        where = {"LocationConstraint": REGION}
        store.client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration=where)
    except (botocore.exceptions.ConnectionError, botocore.exceptions.HTTPClientError):
        return False
    except botocore.exceptions.ClientError as error:
        if error.response["Error"]["Code"] != "BucketAlreadyOwnedByYou":  # An answer was lost.
            raise
    return True


@pytest.fixture
def database(shared: Database) -> Database:
    empty(shared)
    return shared


@pytest.fixture
def remote(make_lake: Callable[[], Lake], store: Store) -> Iterator[Lake]:
    yield structs.replace(make_lake(), more=store.settings)
    store.lose(*TABLES)


def test_batches_are_kept_merged_and_old_files_deleted(
    database: Database, remote: Lake, store: Store
) -> None:
    log = begin(database, 4)
    with batching(remote, database.app_dsn, page_events=len(log) // 3) as (batches, writer):
        keeping = Keeping(writer)
        while batches.step():
            keeping.keep()
        assert len(store.files("orders")) > 1
        keeping.keep(reading_minutes=0)
        assert len(store.files("orders")) == 1
    expected = expected_counts(log, len(log))
    assert {name: remote.ask(f"select count(*) from {name}")[0][0] for name in FOLDED} == expected
    assert not list(remote.folder.rglob("*.parquet"))


def test_lost_objects_are_said_and_a_rebuild_brings_equal_rows(
    database: Database, remote: Lake, store: Store
) -> None:
    begin(database, 3)
    with batching(remote, database.app_dsn) as (batches, writer):
        while batches.step():
            pass
        Keeping(writer).keep()
    before = remote.ask("from orders order by all")
    store.lose("orders")
    with running(database, remote.folder, **remote.changed) as live:
        asked = live.client.post("/analytics/query", json={"sql": "select * from orders"})
        assert (asked.status_code, asked.json()["code"]) == (503, "lake_unavailable")
        assert SECRET not in asked.text
        rebuild(remote.writing, database.app_dsn, "orders")
        asked = live.client.post("/analytics/query", json={"sql": "select * from orders"})
        assert (asked.status_code, asked.json()["row_count"]) == (200, len(before))
    assert remote.ask("from orders order by all") == before


def test_routes_and_analysts_read_it_and_see_no_secret(database: Database, remote: Lake) -> None:
    begin(database, 2)
    with batching(remote, database.app_dsn) as (batches, writer):
        while batches.step():
            pass
        Keeping(writer).keep()
    with running(database, remote.folder, **remote.changed) as live:
        said = live.client.post("/analytics/query", json={"sql": "select count(*) from portfolio"})
        assert said.json()["rows"] == [[remote.ask("select count(*) from portfolio")[0][0]]]
        shown = live.client.get("/portfolio/performance", params={"interval": "1h"})
        assert shown.status_code == 200, shown.text
        for sql in (
            f"select * from 's3://{BUCKET}/aviary/main/portfolio/x.parquet'",
            f"select * from glob('s3://{BUCKET}/**')",
            "select * from duckdb_secrets()",
        ):
            refused = live.client.post("/analytics/query", json={"sql": sql})
            assert (refused.status_code, refused.json()["code"]) == (400, "query_not_allowed")


def test_a_store_that_is_away_is_said_without_its_secret(
    database: Database, make_lake: Callable[[], Lake], store: Store
) -> None:
    lake = structs.replace(make_lake(), more=store.settings)
    begin(database, 1)
    catch_up_lake(lake, database.app_dsn)
    away = structs.replace(
        lake, more=store.settings | {"lake_store_endpoint": f"http://127.0.0.1:{free_port()}"}
    )
    with batching(away, database.app_dsn) as (_, writer), pytest.raises(duckdb.Error) as failed:
        Keeping(writer).keep()
    assert SECRET not in str(failed.value)
