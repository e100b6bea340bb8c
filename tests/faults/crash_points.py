"""Every crash point that the code has, and which of them a run of the tests tries.

The points are read from the code, so that a new one is tried without being listed here.
"""

import itertools
import os
import random
import re

from msgspec import Struct

from tests.faults.processes import ROOT

OCCURRENCES = (1, 2, 5, 17, 60)
DEFAULT_SAMPLE = 20
"""Each point once in each kind of process, at some occurrence."""
SEED = int(os.environ.get("AVIARY_CRASH_SEED") or random.SystemRandom().randrange(1_000_000))
_ELSEWHERE = ("rebuild-", "relay-", "feed-", "credential-", "perpetual-", "position-", "funding-")
"""Points of rebuilds, of Kafka, and of what the orders of this world never come to."""
_CALL = re.compile(r'^\s+crashpoint\("([a-z-]+)"\)$', re.MULTILINE)


class Case(Struct, frozen=True):
    process: str
    """api, writer or worker."""
    point: str
    occurrence: int

    def __str__(self) -> str:
        return f"{self.process}-{self.point}-{self.occurrence}"


def points_in(folder: str) -> frozenset[str]:
    texts = [path.read_text() for path in sorted((ROOT / folder).rglob("*.py"))]
    return frozenset(name for text in texts for name in _CALL.findall(text))


_ON_AN_ORDERS_WAY = ("dispatcher-", "projector-")
"""The points of other workers have tests of their own, beside those workers' other tests."""
COMMITTER_POINTS = points_in("commands")
WORKER_POINTS = frozenset(
    name for name in points_in("workers") if name.startswith(_ON_AN_ORDERS_WAY)
)


def every_case() -> list[Case]:
    doors = itertools.product(("api", "writer"), sorted(COMMITTER_POINTS), OCCURRENCES)
    workers = itertools.product(("worker",), sorted(COMMITTER_POINTS | WORKER_POINTS), OCCURRENCES)
    return [Case(*case) for case in (*doors, *workers)]


def sample() -> list[Case]:
    """AVIARY_CRASH_SAMPLE of them, by AVIARY_CRASH_SEED: first every point once, then again."""
    wanted = os.environ.get("AVIARY_CRASH_SAMPLE") or str(DEFAULT_SAMPLE)
    cases = every_case()
    random.Random(SEED).shuffle(cases)  # noqa: S311 - a sample, not a secret
    seen: dict[tuple[bool, str], int] = {}
    rounds = {}
    for case in cases:
        place = (case.process == "worker", case.point)
        rounds[case] = seen[place] = seen.get(place, 0) + 1
    cases.sort(key=lambda case: rounds[case])
    return cases if wanted == "all" else cases[: int(wanted)]


def worker_sample() -> list[Case]:
    """AVIARY_CRASH_SAMPLE at a dearer venue: so many of the dispatcher's points, 4 by default."""
    wanted = os.environ.get("AVIARY_CRASH_SAMPLE") or "4"
    points = sorted(name for name in WORKER_POINTS if name.startswith("dispatcher-"))
    cases = [Case("worker", *case) for case in itertools.product(points, (1, 5))]
    random.Random(SEED).shuffle(cases)  # noqa: S311 - a sample, not a secret
    return cases if wanted == "all" else cases[: int(wanted)]
