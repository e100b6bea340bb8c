"""The unmodified client package, the real paper venue and `run` itself, each over a real socket."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from hummingbot_api_client import HummingbotAPIClient

from adapters.venues.paper.public import PaperMarket
from tests.api.live import ORDER, PASSWORD, USER, Live, running
from tests.postgres_fixture import Database
from tests.venues.paper_process import running as running_venue

pytestmark = pytest.mark.postgres


# The client package uses what its own HTTP library has deprecated.
@pytest.mark.filterwarnings("ignore::DeprecationWarning:hummingbot_api_client")
@pytest.mark.filterwarnings("ignore:The .auth. parameter:DeprecationWarning")
def test_the_client_package_places_lists_and_cancels(live: Live) -> None:
    async def trade() -> None:
        async with HummingbotAPIClient(live.url, USER, PASSWORD) as client:
            placed = await client.trading.place_order(
                account_name="master_account",
                connector_name="paper",
                trading_pair="EUR-USD",
                trade_type="BUY",
                amount=100.0,
                order_type="LIMIT",
                price=1.05,
            )
            assert placed["status"] == "submitted"
            assert (placed["amount"], placed["price"]) == ("100.0", "1.05")
            await asyncio.to_thread(live.project)
            active = await client.trading.get_active_orders(account_names=["master_account"])
            assert [order["order_id"] for order in active["data"]] == [placed["order_id"]]
            cancelled = await client.trading.cancel_order(
                "master_account", "paper", placed["order_id"]
            )
            assert placed["order_id"] in cancelled["message"]
            await asyncio.to_thread(live.project)
            found = await client.trading.search_orders(status="CANCELLED")
            assert found["pagination"]["total_count"] == 1
            assert (await client.trading.get_trades())["data"] == []

    asyncio.run(trade())


def test_rules_come_from_the_venue_and_stay_when_it_goes(
    database: Callable[..., Database], seeded: Database, tmp_path: Path
) -> None:
    with running_venue(tmp_path) as venue:
        rules = {"paper": PaperMarket(venue.url)}
        with running(database(template=seeded), tmp_path, rules) as live:
            assert live.place().status_code == 201
            venue.kill()
            assert live.place().status_code == 201
            assert live.place(trading_pair="NO-PAIR").status_code == 400


def test_run_listens_says_so_and_stops_in_good_order(
    database: Callable[..., Database], seeded: Database, tmp_path: Path
) -> None:
    made = database(template=seeded)
    ready = tmp_path / "api.ready"
    script = (
        "import sys; from pathlib import Path; from adapters.settings import load; "
        "from api.serve import run; run(load(env_file=None), Path(sys.argv[1]))"
    )
    environment = dict(os.environ) | {
        "DATABASE_URL": made.app_dsn,
        "AVIARY_DATA_DIR": str(tmp_path),
        "AVIARY_PORT": "0",
        "USERNAME": USER,
        "PASSWORD": PASSWORD,
        "AVIARY_PAPER_URL": "http://127.0.0.1:1",
    }
    process = subprocess.Popen([sys.executable, "-c", script, str(ready)], env=environment)
    try:
        deadline = time.monotonic() + 60
        while not ready.exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert ready.stat().st_mode & 0o777 == 0o600
        url = f"http://127.0.0.1:{ready.read_text()}"
        assert httpx.get(url, timeout=30).headers.get("Server") is None
        with httpx.Client(base_url=url, auth=(USER, PASSWORD), timeout=30) as client:
            answer = client.post("/trading/orders", json=dict(ORDER))
            assert answer.status_code == 503  # the venue is away, and nobody knows its rules
            retried = client.post("/audit/parked/retry", json={})
            assert retried.json() == {"data": []}
    finally:
        process.send_signal(signal.SIGTERM)
        code = process.wait(60)
    assert code in (0, -signal.SIGTERM)
