from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from msgspec import Struct, structs

from adapters.lake.tables import TABLES
from adapters.postgres.bootstrap import create_lake
from adapters.postgres.embedded import EmbeddedPostgres
from tests.api.live import Live, running
from tests.lakes import Lake, written
from tests.postgres_fixture import Database
from tests.seeding import seeded
from workers.lake.writing import Moved

TRADES = 5000
HEAD = 7777
NAME = "lake_of_analysts"


class Desk(Struct, frozen=True):
    """An API with a lake that holds some trades."""

    live: Live
    lake: Lake

    def ask(self, sql: str, **headers: str) -> Any:
        return self.live.client.post("/analytics/query", json={"sql": sql}, headers=headers)

    @contextmanager
    def allowing(self, seconds: float) -> Iterator[None]:
        """Let queries take so long meanwhile."""
        sandbox = self.live.deps.sandbox
        bounds = sandbox.bounds
        sandbox.bounds = structs.replace(bounds, seconds=seconds)
        try:
            yield
        finally:
            sandbox.bounds = bounds


def trade(number: int) -> dict[str, Any]:
    quantity, price = Decimal(number) / 1000, Decimal("1.000000000000000001")
    return dict.fromkeys(TABLES["trades"]) | {
        "position": number,
        "trade_id": f"t{number}",
        "order_id": f"o{number // 2}",
        "account": f"account{number % 3}",
        "connector": "paper",
        "pair": "EUR-USD",
        "side": "BUY",
        "quantity": str(quantity),
        "price": str(price),
        "fee": "0",
        "fee_token": "USD",
        "executed_at_us": 1_700_000_000_000_000 + number,
    }


@pytest.fixture(scope="module")
def catalogue(cluster: EmbeddedPostgres) -> Iterator[Callable[[], tuple[str, str]]]:
    with psycopg.connect(cluster.dsn("superuser", "postgres"), autocommit=True) as superuser:
        create_lake(superuser, NAME)
        yield lambda: (cluster.dsn("lake", NAME), cluster.dsn("lake_reader", NAME))
        superuser.execute(f"drop database {NAME} with (force)".encode())


@pytest.fixture(scope="module")
def stocked(
    catalogue: Callable[[], tuple[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> Lake:
    owner, reader = catalogue()
    lake = Lake(NAME, tmp_path_factory.mktemp("stocked"), owner, reader)
    with written(lake.writing) as writer:
        rows = [trade(number) for number in range(1, TRADES + 1)]
        writer.save({"trades": rows}, {"trades": Moved(0, HEAD)})
    return lake


@pytest.fixture(scope="module")
def log(database: Callable[..., Database]) -> Database:
    return seeded(database())


@pytest.fixture(scope="module")
def desk(stocked: Lake, log: Database) -> Iterator[Desk]:
    bounds = {"analytics_seconds": 15.0, "analytics_rows_max": 2000, "analytics_memory_mb": 128}
    with running(log, stocked.folder, **(stocked.changed | bounds)) as live:
        yield Desk(live, stocked)
