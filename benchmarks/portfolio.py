"""Pages of a million snapshot rows over HTTP, the state, and how fast snapshots are folded."""

import statistics
import time
import urllib.request
from typing import Any

import msgspec

from benchmarks import snapshots
from benchmarks.http_alone import api_alone
from benchmarks.place import BASIC
from benchmarks.processes import Address
from benchmarks.rows import Row, rate
from workers.projecting.projector import catch_up
from workers.running.database import Dsns

REPEATS = 100
LOOKS = 200
_DEEP_SECONDS = snapshots.END_US // 10**6 - 8_000 * 300
_ONE = {"account_names": ["account_7"]}


def measure(dsns: Dsns) -> list[Row]:
    folded = _folding(dsns)
    snapshots.fill(dsns)
    with api_alone(dsns) as address:
        deep = {"end_time": _DEEP_SECONDS}
        one = _p50_ms(address, "history", _ONE), _p50_ms(address, "history", _ONE | deep)
        every = _p50_ms(address, "history", {}), _p50_ms(address, "history", deep)
        day = _p50_ms(address, "history", {"interval": "1d"}, entries=36)
        state = _p50_ms(address, "state", {}, entries=snapshots.ACCOUNTS)
    return [
        Row(
            f"one page of 100 of the history of {snapshots.ROWS:,} rows, one account, first / deep",
            "p50 under 10 ms",
            f"p50 {one[0]:.1f} ms / {one[1]:.1f} ms",
            "",
            max(one) < 10,  # noqa: PLR2004 - the promise of this row
        ),
        Row(
            "the same of all 20 accounts: 10,000 rows, 1 MB",
            "as near as it gets",
            f"p50 {every[0]:.1f} ms / {every[1]:.1f} ms",
            "",
            is_reached=True,
        ),
        Row(
            "sampled at one day over the whole range, all accounts",
            "p50 under 100 ms",
            f"p50 {day:.1f} ms",
            "",
            day < 100,  # noqa: PLR2004 - the promise of this row
        ),
        Row("portfolio state", "p50 under 5 ms", f"p50 {state:.1f} ms", "", state < 5),  # noqa: PLR2004
        folded,
    ]


def _folding(dsns: Dsns) -> Row:
    rows = snapshots.observe(dsns, LOOKS)
    started = time.perf_counter()
    catch_up(dsns.app)
    per_second = rows / (time.perf_counter() - started)
    return Row(
        "snapshot rows folded, all read models",
        "20,000/s",
        rate(per_second),
        "",
        per_second >= 20_000,  # noqa: PLR2004 - the promise of this row
    )


def ask(address: Address, path: str, body: dict[str, Any]) -> Any:
    request = urllib.request.Request(
        f"http://{address[0]}:{address[1]}{path}",
        data=msgspec.json.encode(body),
        headers={"Authorization": BASIC, "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
        return answer.read()


def _p50_ms(address: Address, path: str, body: dict[str, Any], entries: int = 100) -> float:
    times = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        content = ask(address, f"/portfolio/{path}", body)
        times.append(1000 * (time.perf_counter() - started))
    found = msgspec.json.decode(content)
    if len(found.get("data", found)) != entries:
        raise RuntimeError(f"Expected {entries} entries, got {len(found.get('data', found))}")
    return statistics.median(times)
