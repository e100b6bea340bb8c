"""`python -m benchmarks [name ...]`: measure, print one table. Without names, everything."""

import sys
from collections.abc import Callable

from rich.console import Console

from benchmarks import (
    appends,
    busy,
    folding,
    followers,
    http_alone,
    kafka,
    lake,
    market,
    pages,
    portfolio,
    sockets,
    venue,
)
from benchmarks.cluster import fresh_log
from benchmarks.rows import Row, show
from workers.running.database import Dsns

MEASUREMENTS: dict[str, Callable[[Dsns], list[Row]]] = {
    "appends": appends.measure,
    "http": http_alone.measure,
    "busy": lambda _dsns: busy.measure(),
    "folding": folding.measure,
    "pages": pages.measure,
    "portfolio": portfolio.measure,
    "lake": lake.measure,
    "followers": followers.measure,
    "sockets": sockets.measure,
    "kafka": kafka.measure,
    "venue": lambda _dsns: venue.measure(),
    "market": market.measure,
}


def main(names: list[str]) -> int:
    unknown = sorted(set(names) - set(MEASUREMENTS))
    if unknown:
        Console(stderr=True).print(f"Unknown: {unknown}; there are {list(MEASUREMENTS)}")
        return 2
    rows: list[Row] = []
    for name in names or MEASUREMENTS:
        Console(stderr=True).print(f"measuring {name} ...")
        with fresh_log() as dsns:
            rows += MEASUREMENTS[name](dsns)
    show(rows)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
