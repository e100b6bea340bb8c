"""`python -m tests.doubles.binance`: one exchange process."""

import argparse
import os
from collections.abc import Callable
from pathlib import Path

import uvloop

from tests.doubles.binance.exchange import Exchange
from tests.doubles.binance.server import serve


def main() -> None:
    parser = argparse.ArgumentParser("tests.doubles.binance", description=__doc__)
    parser.add_argument("--file", type=Path, required=True, help="the ledger, an SQLite file")
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--ready-file", type=Path, help="gets the port once it listens")
    parser.add_argument(
        "--stop-with-stdin", action="store_true", help="stop when stdin ends: with the parent"
    )
    flags = parser.parse_args()
    exchange = Exchange(flags.file)
    ready = _announce(flags.ready_file)
    uvloop.run(
        serve(exchange, flags.host, flags.port, ready, stops_with_stdin=flags.stop_with_stdin)
    )


def _announce(ready_file: Path | None) -> Callable[[int], None]:
    def announce(port: int) -> None:
        if ready_file is not None:
            draft = ready_file.with_name(f"{ready_file.name}.{os.getpid()}")
            draft.write_text(str(port), "utf-8")
            draft.replace(ready_file)

    return announce


if __name__ == "__main__":
    main()
