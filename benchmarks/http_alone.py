"""`POST /trading/orders` with the API alone, beside a bare Litestar route with a durable append."""

import socket
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import uvloop

from benchmarks.load import Load, post, run_load
from benchmarks.place import BASIC, LIMIT_ORDER
from benchmarks.processes import Address, aviary, free_address, running, wait_for
from benchmarks.rows import Row, rate
from workers.running.database import Dsns

CONNECTIONS = 128
SECONDS = 8.0
ROUNDS = 2


def measure(dsns: Dsns) -> list[Row]:
    ours: list[Load] = []
    bare: list[Load] = []
    for _ in range(ROUNDS):  # in turns, so that the machine's moods meet both
        with api_alone(dsns) as address:
            ours.append(_load(address, "/trading/orders"))
        with _bare(dsns) as address:
            bare.append(_load(address, "/orders"))
    mine = max(load.per_second for load in ours)
    limit = max(load.per_second for load in bare)
    refused = sum(n for load in ours for status, n in load.statuses.items() if status != 201)  # noqa: PLR2004
    return [
        Row(
            f"POST /trading/orders accepted, API alone, {CONNECTIONS} connections",
            "half of a bare Litestar route with a durable append",
            f"{rate(mine)}, p99 {ours[-1].percentile_ms(99):.0f} ms, {refused} refused",
            f"{rate(limit)} bare",
            mine >= limit / 2 and not refused,
        )
    ]


def _load(address: Address, path: str) -> Load:
    request = post(path, LIMIT_ORDER, BASIC)
    uvloop.run(run_load(address, lambda: request, connections=CONNECTIONS, seconds=1.0))
    return uvloop.run(run_load(address, lambda: request, connections=CONNECTIONS, seconds=SECONDS))


@contextmanager
def api_alone(
    dsns: Dsns, *paper_flags: str, environment: Mapping[str, str] | None = None
) -> Iterator[Address]:
    address, venue = free_address(), free_address()
    with tempfile.TemporaryDirectory(prefix="aviary-bench-") as folder:
        paper = [sys.executable, "-m", "adapters.venues.paper", "--port", str(venue[1])]
        paper += paper_flags
        own = {
            "DATABASE_URL": dsns.app,
            "AVIARY_DATA_DIR": folder,
            "AVIARY_PORT": str(address[1]),
            "AVIARY_PAPER_URL": f"http://127.0.0.1:{venue[1]}",
            "AVIARY_RATE_PER_SECOND": "0",
            "AVIARY_OPEN_ORDERS_MAX": "0",
            **(environment or {}),
        }
        with (
            running([*paper, "--file", str(Path(folder) / "paper.sqlite")], own),
            running(aviary("api"), own),
        ):
            wait_for(address, "/health")
            yield address


@contextmanager
def _bare(dsns: Dsns) -> Iterator[Address]:
    address = free_address()
    argv = [sys.executable, "-m", "benchmarks.bare", str(address[1])]
    with running(argv, {"DATABASE_URL": dsns.owner}):
        _wait_until_listening(address)
        yield address


def _wait_until_listening(address: Address) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            socket.create_connection(address, timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError(f"Nothing listens on {address}")
