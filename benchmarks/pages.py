"""One page of 100 of 100,000 orders, first and deep, over HTTP."""

import statistics
import time
import urllib.request
from typing import Any

import msgspec
import uvloop

from adapters.postgres.log import PostgresLog
from benchmarks.http_alone import api_alone
from benchmarks.place import BASIC, place_many
from benchmarks.processes import Address
from benchmarks.rows import Row
from commands.committer import Committer
from workers.projecting.projector import catch_up
from workers.running.database import Dsns

ORDERS = 100_000
DEEP = 90
REPEATS = 200


def measure(dsns: Dsns) -> list[Row]:
    store = PostgresLog(dsns.app)
    committer = Committer(store)
    uvloop.run(place_many(committer, ORDERS, 256))
    committer.close()
    store.close()
    catch_up(dsns.app)
    with api_alone(dsns) as address:
        first = _p50_ms(address, {"limit": 100})
        cursor = None
        for _ in range(DEEP):
            page = _search(address, {"limit": 1000, "cursor": cursor})
            cursor = page["pagination"]["next_cursor"]
        deep = _p50_ms(address, {"limit": 100, "cursor": cursor})
    return [
        Row(
            f"one page of 100 of {ORDERS:,} orders, first / deep",
            "p50 under 5 ms",
            f"p50 {first:.1f} ms / {deep:.1f} ms",
            "",
            first < 5 and deep < 5,  # noqa: PLR2004 - the promise of this row
        )
    ]


def _search(address: Address, body: dict[str, Any]) -> Any:
    request = urllib.request.Request(
        f"http://{address[0]}:{address[1]}/trading/orders/search",
        data=msgspec.json.encode(body),
        headers={"Authorization": BASIC, "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
        return msgspec.json.decode(answer.read())


def _p50_ms(address: Address, body: dict[str, Any]) -> float:
    times = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        page = _search(address, body)
        times.append(1000 * (time.perf_counter() - started))
        if len(page["data"]) != 100:  # noqa: PLR2004
            raise RuntimeError(f"Expected 100 orders, got {len(page['data'])}")
    return statistics.median(times)
