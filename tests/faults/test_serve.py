"""`aviary serve` as a whole: killed with all its children, started again, stopped by Ctrl-C."""

import concurrent.futures
import contextlib
import os
import signal
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import psutil
import pytest

from tests.faults.clients import HttpClient, Insistent, Unanswered
from tests.faults.intents import Place, market, mixture
from tests.faults.judge import check_once_at_the_venue, differences, fold_orders
from tests.faults.ledgers import read_ledger
from tests.faults.processes import Process, until
from tests.ports import free_port
from workers.running.serve import PAPER_FILE
from workers.tools.history import read_export

pytestmark = [pytest.mark.faults, pytest.mark.postgres]

START_SECONDS = 120.0
STOP_SECONDS = 30.0
SECRET = "c4nary-words"


class Serve:
    """One data directory under `aviary serve`, on a port that stays."""

    def __init__(self, folder: Path) -> None:
        self.data_dir = folder / "data"
        self._folder = folder
        self._environment = {
            "AVIARY_DATA_DIR": str(self.data_dir),
            "AVIARY_PORT": str(free_port()),
            "AVIARY_SEND_WINDOW_SECONDS": "1",
            "AVIARY_LEASE_SECONDS": "2",
            "AVIARY_RECONCILE_SECONDS": "1",
            "CONFIG_PASSWORD": SECRET,
        }
        self.process = Process("serve", ["aviary", "serve"], self._environment, folder)
        self.client = HttpClient(int(self._environment["AVIARY_PORT"]))

    def start(self) -> float:
        """Answers how many seconds it took until it was ready."""
        self.process.start()
        return until(self._is_ready, "aviary serve is ready", START_SECONDS)

    def _is_ready(self) -> bool:
        code = self.process.poll()
        assert code is None, f"ended with {code}: {self.process.log.read_text()[-3000:]}"
        try:
            return self.client.call("GET", "/ready").status == HTTPStatus.OK
        except Unanswered:
            return False

    def tree(self) -> list[psutil.Process]:
        supervisor = psutil.Process(self.process.pid)
        return [supervisor, *supervisor.children(recursive=True)]

    def run(self, *arguments: str) -> int | None:
        """Another command of the same installation, to its end."""
        command = Process(arguments[0], ["aviary", *arguments], self._environment, self._folder)
        command.start()
        until(lambda: command.poll() is not None, f"aviary {arguments[0]} ends", START_SECONDS)
        return command.poll()

    def unsettled(self) -> list[str]:
        """What differs between log and venue, and whether any order was placed twice."""
        export = self._folder / "export.jsonl"
        assert self.run("replay", "--output", str(export)) == 0
        states = fold_orders(event for page in read_export(export) for event in page)
        ledger = read_ledger(self.data_dir / PAPER_FILE)
        found = differences(states, ledger)
        if not found:
            check_once_at_the_venue(states, ledger)
        return found

    def orders(self) -> set[str]:
        """Every order that the API shows."""
        reply = self.client.call("POST", "/trading/orders/search", {"limit": 1000})
        assert reply.status == HTTPStatus.OK, reply
        return {row["order_id"] for row in reply.body["data"]}


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Serve]:
    made = Serve(tmp_path)
    try:
        yield made
    finally:
        kill_all(made)


def kill_all(served: Serve) -> None:
    """SIGKILL for the supervisor and everything below it, all stopped first so that none acts."""
    if served.process.poll() is not None:
        return
    tree = served.tree()
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for process in tree:
            if process.is_running():
                os.kill(process.pid, number)
    psutil.wait_procs(tree, timeout=10)
    served.process.kill()


def test_killed_as_a_whole_in_a_burst_it_comes_back_with_everything(served: Serve) -> None:
    first = served.start()
    sender = Insistent(served.client, 2 * START_SECONDS)
    resting: list[str] = []
    source = mixture(31, resting)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for _ in range(20):
            for intent in next(source):
                sender.send(intent)
        burst = [pool.submit(sender.send, Place(f"late-{number}")) for number in range(30)]
        burst += [pool.submit(sender.send, market(f"late-market-{n}")) for n in range(10)]
        until(lambda: len(sender.placed) > 25, "the burst is under way")
        kill_all(served)
        again = served.start()
        concurrent.futures.wait(burst)
    assert all(sent.result().is_accepted for sent in burst)
    print(f"ready after {first:.1f} s, and after the kill {again:.1f} s")  # noqa: T201
    until(lambda: not served.unsettled(), "everything in flight settles", 60)
    until(lambda: served.orders() == set(sender.placed), "the API shows what was placed")
    assert served.run("verify") == 0


def test_what_needs_no_secret_is_given_none(served: Serve) -> None:
    """Neither the database nor the venue could tell what it does not know."""
    served.start()
    holders = set()
    for process in served.tree():
        with contextlib.suppress(psutil.NoSuchProcess):  # Some of Postgres' live for a moment.
            line = " ".join(process.cmdline())
            if line and SECRET in process.environ().values():
                words = ("postgres", "paper", "worker", "api")
                holders.add(next((word for word in words if word in line), "serve"))
    assert holders == {"serve", "worker", "api"}


def _interrupted(served: Serve) -> tuple[int, float]:
    """Ctrl-C: the exit code and the seconds that it took; nothing may stay behind."""
    tree = served.tree()
    os.kill(served.process.pid, signal.SIGINT)
    took = until(lambda: served.process.poll() is not None, "aviary serve stops", STOP_SECONDS)
    code = served.process.poll()
    assert code is not None
    assert [process for process in tree if process.is_running()] == []
    return code, took


def test_ctrl_c_ends_everything_and_the_next_start_goes_on(served: Serve) -> None:
    served.start()
    sender = Insistent(served.client)
    for number in range(5):
        sender.send(Place(f"rests-{number}"))
    code, took = _interrupted(served)
    assert code == 0
    again = served.start()
    print(f"stopped in {took:.1f} s, ready again after {again:.1f} s")  # noqa: T201
    sender.send(market("afterwards"))
    until(lambda: not served.unsettled(), "everything settles", 60)
    until(lambda: served.orders() == set(sender.placed), "the API shows what was placed")
    assert _interrupted(served)[0] == 0
