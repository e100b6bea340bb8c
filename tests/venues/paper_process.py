"""Starts real paper venue processes for tests, and talks to their test-mode routes."""

import asyncio
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

from adapters.venues.paper.client import PaperVenue
from adapters.venues.port import OrderRequest, OrderType, Side

PAIR = "EUR-USD"
_START_SECONDS = 60.0
_END_SECONDS = 30.0
_POLL_SECONDS = 0.01


class PaperProcess:
    """One venue process; `kill` and `start` again keep the ledger."""

    def __init__(self, folder: Path, *flags: str) -> None:
        self.folder = folder
        self._flags = flags
        self._process: subprocess.Popen[bytes] | None = None
        self.url = ""

    def start(self) -> None:
        ready = self.folder / "ready"
        ready.unlink(missing_ok=True)
        command = [sys.executable, "-m", "adapters.venues.paper", "--test-mode"]
        command += [
            "--exit-with-parent",
            str(os.getpid()),
            "--file",
            str(self.folder / "venue.sqlite"),
        ]
        process = subprocess.Popen([*command, "--ready-file", str(ready), *self._flags])
        self._process = process
        deadline = time.monotonic() + _START_SECONDS
        while not ready.exists():
            assert process.poll() is None, f"the venue ended with {process.returncode}"
            assert time.monotonic() < deadline, "the venue did not become ready"
            time.sleep(_POLL_SECONDS)
        self.url = f"http://127.0.0.1:{ready.read_text()}"

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> int:
        """End it politely and return its exit status."""
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(timeout=_END_SECONDS)

    def wait(self) -> int:
        assert self._process is not None
        return self._process.wait(timeout=_END_SECONDS)

    def venue(self, account: str, *, timeout_seconds: float = 30.0) -> PaperVenue:
        return PaperVenue(self.url, account, timeout_seconds=timeout_seconds)

    def test(self, method: str, path: str, body: Any = None) -> Any:
        """Call a test-mode route from outside any loop; see `control`."""
        request = urllib.request.Request(  # noqa: S310 - loopback
            f"{self.url}/test/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
        )
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - loopback
            return json.load(answer)

    def faults(self, *rules: dict[str, Any]) -> None:
        self.test("POST", "faults", rules)

    def price(self, price: str | None) -> None:
        self.test("POST", "price", {"pair": PAIR, "price": price})

    def ledger(self, table: str, account: str) -> list[dict[str, Any]]:
        rows = self.test("GET", "ledger")[table]
        return [row for row in rows if row["account"] == account]


@contextmanager
def running(folder: Path, *flags: str) -> Iterator[PaperProcess]:
    process = PaperProcess(folder, *flags)
    process.start()
    try:
        yield process
    finally:
        process.kill()


def order(
    client_order_id: str,
    side: Side = "BUY",
    quantity: str = "100",
    price: str | None = "1.0",
    order_type: OrderType | None = None,
    *,
    expires_in_seconds: float = 30.0,
) -> OrderRequest:
    return OrderRequest(
        client_order_id=client_order_id,
        pair=PAIR,
        side=side,
        order_type=order_type or ("MARKET" if price is None else "LIMIT"),
        quantity=Decimal(quantity),
        price=None if price is None else Decimal(price),
        expires_at_us=time.time_ns() // 1_000 + int(expires_in_seconds * 1_000_000),
    )


async def until(check: Callable[[], Awaitable[bool]], seconds: float = 60.0) -> None:
    """Ask again and again until `check` holds; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while not await check():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        await asyncio.sleep(_POLL_SECONDS)
