import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil
import psycopg
import pytest
from msgspec import structs

from adapters.postgres.embedded import EmbeddedPostgres
from workers.running.child import Child, PostgresChild
from workers.running.supervisor import Limits, run

ROOT = Path(__file__).parents[2]
QUICK = Limits(start_seconds=60.0, backoff_first_seconds=0.02, grace_seconds=60.0)
IMPATIENT = structs.replace(QUICK, grace_seconds=0.5)
NOTE = """
    import os, signal, sys, time
    from pathlib import Path
    notes = Path(sys.argv[1])
    def note(word):
        with notes.open("a") as file:
            file.write(f"{sys.argv[2]} {word} {os.getpid()}\\n")
    def stop(*_):
        note("stopped")
        sys.exit(0)
    signal.signal(signal.SIGTERM, stop)
    note("started")
"""
STAY = NOTE + "    time.sleep(600)\n"
CRASH_TWICE = (
    NOTE + '    if notes.read_text().count("frail started") < 3: os._exit(7)\n    time.sleep(600)\n'
)
DEAF = (
    NOTE
    + "    signal.signal(signal.SIGTERM, signal.SIG_IGN)\n    note('deaf')\n    time.sleep(600)\n"
)


def until(condition: Callable[[], object], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.005)


class Notes:
    """What the children wrote: `<name> <word> <pid>` in the order of happening."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def child(
        self,
        name: str,
        code: str = STAY,
        ready: Callable[[], bool] | Path | None = None,
        *,
        restart: bool = True,
    ) -> Child:
        argv = [sys.executable, "-c", textwrap.dedent(code), str(self.path), name]
        if ready is None and restart:
            return Child(name, argv, ready=lambda: f"{name} started" in self.words())
        return Child(name, argv, ready=ready, restart=restart)

    def words(self) -> list[str]:
        lines = self.path.read_text().splitlines() if self.path.exists() else []
        return [line.rsplit(" ", 1)[0] for line in lines]

    def pid(self, words: str) -> int:
        lines = reversed(self.path.read_text().splitlines())
        return int(next(line.split()[-1] for line in lines if line.startswith(words)))


@pytest.fixture
def notes(tmp_path: Path) -> Notes:
    return Notes(tmp_path / "notes")


def run_until(
    children: Sequence[Child | PostgresChild],
    *steps: Callable[[], object],
    limits: Limits = QUICK,
    then: Sequence[signal.Signals] = (signal.SIGTERM,),
) -> int:
    """Run in this (main) thread; another one waits for each step and then sends the signals."""
    failed: list[BaseException] = []

    def drive() -> None:
        try:
            for step in steps:
                until(step)
        except AssertionError as error:
            failed.append(error)
        for number in then:
            signal.pthread_kill(threading.main_thread().ident or 0, number)

    driver = threading.Thread(target=drive)
    driver.start()
    code = run(children, limits)
    driver.join()
    if failed:
        raise failed[0]
    return code


def test_children_start_in_order_and_stop_in_reverse(notes: Notes) -> None:
    children = [notes.child("first"), notes.child("second"), notes.child("third")]
    assert run_until(children, lambda: "third started" in notes.words()) == 0
    assert notes.words() == [
        *("first started", "second started", "third started"),
        *("third stopped", "second stopped", "first stopped"),
    ]


def test_the_next_child_waits_for_the_ready_file_of_the_one_before(
    notes: Notes, tmp_path: Path
) -> None:
    flag = tmp_path / "flag"
    flag.write_text("left over")  # must not count
    slow = NOTE + f'    note("ready")\n    Path({str(flag)!r}).touch()\n    time.sleep(600)\n'
    children = [notes.child("slow", slow, flag), notes.child("next")]
    run_until(children, lambda: "next started" in notes.words())
    assert notes.words()[:3] == ["slow started", "slow ready", "next started"]


def test_a_crashed_child_is_started_again_alone(notes: Notes) -> None:
    other, frail = notes.child("other"), notes.child("frail", CRASH_TWICE)
    assert run_until([other, frail], lambda: notes.words().count("frail started") == 3) == 0
    assert notes.words().count("other started") == 1
    assert notes.words()[-2:] == ["frail stopped", "other stopped"]


def test_a_killed_child_is_started_again(notes: Notes) -> None:
    def kill() -> bool:
        os.kill(notes.pid("one started"), signal.SIGKILL)
        return True

    steps = [
        lambda: "one started" in notes.words(),
        kill,
        lambda: notes.words().count("one started") == 2,
    ]
    assert run_until([notes.child("one")], *steps) == 0


def test_a_child_that_never_starts_ends_the_run_with_its_last_lines(
    notes: Notes, caplog: pytest.LogCaptureFixture
) -> None:
    broken = NOTE + '    print("no such table", flush=True)\n    os._exit(3)\n'
    ready = lambda: False  # noqa: E731
    assert run([notes.child("base"), notes.child("broken", broken, ready)], QUICK) == 1
    assert notes.words() == ["base started", *["broken started"] * 3, "base stopped"]
    told = caplog.records[-1].getMessage()
    assert "broken cannot be started: exit code 3" in told
    assert "no such table" in told


def test_a_child_that_is_never_ready_is_given_up(notes: Notes) -> None:
    limits = Limits(start_attempts=2, start_seconds=0.2, backoff_first_seconds=0.01)
    assert run([notes.child("dull", STAY, lambda: False)], limits) == 1


def test_a_program_that_does_not_exist_is_named(caplog: pytest.LogCaptureFixture) -> None:
    child = Child("absent", ["/no/such/program"], ready=lambda: False)
    assert run([child], QUICK) == 1
    assert "Cannot run /no/such/program: No such file" in caplog.records[-1].getMessage()


def test_a_task_that_ends_well_lets_the_next_child_start_and_is_not_repeated(
    notes: Notes,
) -> None:
    task = notes.child("task", NOTE, restart=False)
    assert run_until([task, notes.child("next")], lambda: "next started" in notes.words()) == 0
    assert notes.words() == ["task started", "next started", "next stopped"]


def test_a_child_that_ignores_the_request_is_killed_after_its_grace(notes: Notes) -> None:
    children = [notes.child("deaf", DEAF, lambda: "deaf deaf" in notes.words())]
    assert run_until(children, lambda: "deaf deaf" in notes.words(), limits=IMPATIENT) == 0
    assert not psutil.pid_exists(notes.pid("deaf deaf"))


def test_a_second_signal_does_not_wait_for_the_grace(notes: Notes) -> None:
    children = [notes.child("deaf", DEAF, lambda: "deaf deaf" in notes.words())]
    patient = Limits(grace_seconds=300.0)
    twice = (signal.SIGINT, signal.SIGTERM)
    began = time.monotonic()
    run_until(children, lambda: "deaf deaf" in notes.words(), limits=patient, then=twice)
    assert time.monotonic() - began < patient.grace_seconds / 3


def test_a_signal_during_the_start_stops_what_runs(notes: Notes) -> None:
    children = [notes.child("one", STAY, lambda: False), notes.child("two")]
    assert run_until(children, lambda: "one started" in notes.words()) == 0
    assert notes.words() == ["one started", "one stopped"]


def test_output_of_children_is_passed_on_to_standard_error() -> None:
    code = """
        import sys
        from workers.running.child import Child
        from workers.running.supervisor import run
        speaker = Child("speaker", [sys.executable, "-c", "print(12 * 12)"], restart=False)
        run([speaker, Child("absent", ["/no/such/program"], ready=bool)])
    """
    process = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "144\n" in process.stderr
    assert process.stdout == ""


@pytest.mark.faults
def test_a_killed_supervisor_takes_its_children_with_it_in_good_order(notes: Notes) -> None:
    code = f"""
        import sys
        from tests.workers.test_supervisor import Notes
        from pathlib import Path
        from workers.running.supervisor import run
        notes = Notes(Path({str(notes.path)!r}))
        run([notes.child("one"), notes.child("two")])
    """
    with subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], cwd=ROOT) as process:
        until(lambda: "two started" in notes.words())
        process.kill()
    until(lambda: {"one stopped", "two stopped"} <= set(notes.words()))
    until(lambda: not psutil.pid_exists(notes.pid("one started")))


@pytest.mark.postgres
@pytest.mark.faults
def test_postgres_is_supervised_like_any_other_child(tmp_path: Path, notes: Notes) -> None:
    server = EmbeddedPostgres(tmp_path / "data")
    first: list[int] = []

    def crash() -> bool:
        assert server.pid is not None
        first.append(server.pid)
        os.kill(server.pid, signal.SIGKILL)
        return True

    def answers() -> bool:
        if server.pid in (None, *first):
            return False
        try:
            psycopg.connect(server.dsn("app")).close()
        except psycopg.OperationalError:
            return False
        return True

    steps = [lambda: "after started" in notes.words(), crash, answers]
    assert run_until([PostgresChild(server), notes.child("after")], *steps) == 0
    assert notes.words() == ["after started", "after stopped"]
    assert (tmp_path / "data/logs/postgres.log").read_text().rstrip().endswith("is shut down")
