"""The whole suite in some processes at once, a part in one: `python -m tests.lanes [for pytest]`.

Half of the suite's time is spent on waiting for processes to start, to die and to be missed, so two
processors are idle by turns. Each lane has its own Postgres, Kafka and folders. What the first lane
prints comes as it is printed, the others' at the end; `--junitxml=F` makes `F`, `F.1` and so on.
"""

import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

ROOT = Path(__file__).parents[1]
LANES = (
    ("faults", "as_of", "client", "portfolio", "sockets", "venues", "workers"),
    ("relay", "feeds", "split", "perpetual", "broker", "consumer", "log", "market"),
)
"""Of about the same length; whatever is not named here is in a lane of its own."""


def folders() -> list[list[str]]:
    """The folders of each lane. A folder that is gone fails here, not in silence."""
    found = {path.parent.relative_to(ROOT / "tests").parts[0] for path in _modules()}
    named = {folder for lane in LANES for folder in lane}
    assert found >= named, f"No tests are in {named - found}: change LANES."
    return [*map(list, LANES), sorted(found - named)]


def _modules() -> list[Path]:
    return sorted((ROOT / "tests").glob("*/**/test_*.py"))


def _own(argument: str, number: int) -> str:
    """A report of its own for each lane but the first."""
    return f"{argument}.{number}" if number and argument.startswith("--junitxml=") else argument


def main(arguments: list[str]) -> int:
    if any((ROOT / argument.partition("::")[0]).exists() for argument in arguments if argument):
        return subprocess.call([sys.executable, "-m", "pytest", *arguments], cwd=ROOT)
    lanes = folders()
    with ExitStack() as stack:
        outputs = [stack.enter_context(tempfile.TemporaryFile()) for _ in lanes[1:]]
        started = [
            subprocess.Popen(
                [
                    *(sys.executable, "-m", "pytest"),
                    *(_own(argument, number) for argument in arguments),
                    *(f"tests/{folder}" for folder in lane),
                ],
                cwd=ROOT,
                stdout=output,
                stderr=subprocess.STDOUT if number else None,
            )
            for number, (lane, output) in enumerate(zip(lanes, [None, *outputs], strict=True))
        ]
        codes = [process.wait() for process in started]
        for output in outputs:
            output.seek(0)
            shutil.copyfileobj(output, sys.stdout.buffer)
    return int(any(codes))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
