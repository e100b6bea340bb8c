"""Real processes of ours to be measured from outside, and how much memory they hold."""

import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil

Address = tuple[str, int]
START_SECONDS = 60.0


def free_address() -> Address:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return "127.0.0.1", probe.getsockname()[1]


@contextlib.contextmanager
def running(argv: list[str], environment: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A process with its output in a file that is shown when it fails."""
    with Path("/tmp/aviary-bench.log").open("wb") as log:  # noqa: S108 - for people to look at
        process = subprocess.Popen(
            argv, env=dict(os.environ) | dict(environment), stdout=log, stderr=log
        )
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()


def aviary(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "aviary", *arguments]


def wait_for(address: Address, path: str) -> None:
    """Until the path answers 200; raises TimeoutError with the last answer."""
    deadline = time.monotonic() + START_SECONDS
    said = ""
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"http://{address[0]}:{address[1]}{path}", timeout=5):
                return
        except urllib.error.HTTPError as error:
            said = error.read().decode()
        except OSError as error:
            said = str(error)
        time.sleep(0.05)
    raise TimeoutError(f"{path} did not answer 200 within {START_SECONDS} s: {said}")


def memory_mb(process: subprocess.Popen[bytes]) -> float:
    """Proportional set size of a process and its children, Postgres' own left out."""
    root = psutil.Process(process.pid)
    return sum(_pss(each) for each in (root, *root.children(recursive=True))) / 1e6


def _pss(process: psutil.Process) -> int:
    try:
        if process.name().startswith("postgres"):
            return 0
        return int(process.memory_full_info().pss)
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return 0
