"""Starts the Binance double as a process of its own, and talks to its control routes.

    def test_something(binance_double: BinanceProcess) -> None:
        key, secret = binance_double.new_account("alice")
        binance_double.control("price", symbol="BTCUSDT", price="61000")

What can be controlled stands in `binance/control.py` and `binance/README.md`. One process serves
spot and futures on one port: both VENUE_URL_BINANCE and VENUE_URL_BINANCE_PERPETUAL are `url`.
"""

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

_START_SECONDS = 60.0
_POLL_SECONDS = 0.01
_ANSWER_SECONDS = 60


class BinanceProcess:
    """One exchange process; `kill` and `start` again keep ledger and port."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = ""
        self._port = 0
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        ready = self.folder / "ready"
        ready.unlink(missing_ok=True)
        command = [sys.executable, "-m", "tests.doubles.binance", "--stop-with-stdin"]
        command += ["--file", str(self.folder / "binance.sqlite"), "--port", str(self._port)]
        process = subprocess.Popen(
            [*command, "--ready-file", str(ready)],
            stdin=subprocess.PIPE,
            cwd=Path(__file__).parents[2],
        )
        self._process = process
        deadline = time.monotonic() + _START_SECONDS
        while not ready.exists():
            assert process.poll() is None, f"the exchange ended with {process.returncode}"
            assert time.monotonic() < deadline, "the exchange did not become ready"
            time.sleep(_POLL_SECONDS)
        self._port = int(ready.read_text("utf-8"))
        self.url = f"http://127.0.0.1:{self._port}"

    def kill(self) -> None:
        """End it at once, as by SIGKILL; nothing that it answered is lost."""
        assert self._process is not None
        self._process.kill()
        self._reap()

    def stop(self) -> int:
        """End it politely and return its exit status."""
        assert self._process is not None
        self._process.terminate()
        return self._reap()

    def new_account(self, name: str, **options: Any) -> tuple[str, str]:
        """Make API key and secret of an account, see `control.NewAccount` for the options.

        A second call of one name makes another key to the same money.
        """
        made = self.control("account", name=name, **options)
        return made["key"], made["secret"]

    def control(self, name: str, /, **body: Any) -> Any:
        request = urllib.request.Request(  # noqa: S310 - loopback
            f"{self.url}/control/{name}", data=json.dumps(body).encode(), method="POST"
        )
        try:
            with urllib.request.urlopen(  # noqa: S310 - loopback
                request, timeout=_ANSWER_SECONDS
            ) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                raise ValueError(f"/control/{name} {body}: {error.read().decode()}") from None

    def faults(self, account: str, *rules: dict[str, Any]) -> list[dict[str, Any]]:
        """Replace the account's fault rules; none clears them."""
        own = [{"account": account, **rule} for rule in rules]
        told: list[dict[str, Any]] = self.control("faults", clear=account, rules=own)
        return told

    def _reap(self) -> int:
        assert self._process is not None
        code = self._process.wait(timeout=_ANSWER_SECONDS)
        if self._process.stdin is not None:
            self._process.stdin.close()
        return code


@contextmanager
def running(folder: Path) -> Iterator[BinanceProcess]:
    process = BinanceProcess(folder)
    process.start()
    try:
        yield process
    finally:
        process.stop()


@pytest.fixture(scope="session")
def binance_double(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BinanceProcess]:
    """One exchange for all tests of a session; each test trades on an account of its own."""
    with running(tmp_path_factory.mktemp("binance")) as process:
        yield process
