"""The whole suite in two processes at once, a part in one: `python -m tests.lanes [for pytest]`.

Half of the suite's time is spent on waiting for processes to start, to die and to be missed, so two
processors are idle by turns. Each lane has its own Postgres, Kafka and folders. What a lane prints
comes in one piece, as it ends; `--junitxml=F` makes `F` and `F.1`.
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
FIRST = ("faults", "split", "relay", "postgres", "workers", "as_of")
"""About half of the time; whatever is not named here is in the other lane."""


def folders() -> tuple[list[str], list[str]]:
    """The folders of either lane. A folder that is gone fails here, not in silence."""
    found = {path.parent.relative_to(ROOT / "tests").parts[0] for path in _modules()}
    assert found >= set(FIRST), f"No tests are in {set(FIRST) - found}: change FIRST."
    return list(FIRST), sorted(found - set(FIRST))


def _modules() -> list[Path]:
    return sorted((ROOT / "tests").glob("*/**/test_*.py"))


def _own(argument: str, number: int) -> str:
    """A report of its own for each lane but the first."""
    return f"{argument}.{number}" if number and argument.startswith("--junitxml=") else argument


def main(arguments: list[str]) -> int:
    if any((ROOT / argument.partition("::")[0]).exists() for argument in arguments if argument):
        return subprocess.call([sys.executable, "-m", "pytest", *arguments], cwd=ROOT)
    started = [
        subprocess.Popen(
            [
                *(sys.executable, "-m", "pytest"),
                *(_own(argument, number) for argument in arguments),
                *(f"tests/{folder}" for folder in lane),
            ],
            cwd=ROOT,
            stdout=subprocess.PIPE if number else None,
            stderr=subprocess.STDOUT if number else None,
        )
        for number, lane in enumerate(folders())
    ]
    said = [process.communicate()[0] for process in reversed(started)]
    for output in said:
        if output:
            sys.stdout.buffer.write(output)
    return int(any(process.returncode for process in started))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
