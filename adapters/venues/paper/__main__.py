"""`python -m adapters.venues.paper`: one venue process.

The token comes from the environment (PAPER_TOKEN) or a file, never from the command line, where
other users could read it.
"""

import argparse
import asyncio
import ctypes
import os
import signal
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import msgspec

from adapters.venues.paper.faults import FaultRule
from adapters.venues.paper.server import serve
from adapters.venues.paper.settings import EUR_USD, Settings, Terms
from domain.amounts import amount

_PR_SET_PDEATHSIG = 1


def main() -> None:
    flags = _parser().parse_args()
    if flags.exit_with_parent is not None:
        _exit_with_parent(flags.exit_with_parent)
    run = asyncio.run
    if sys.platform != "win32":
        import uvloop

        run = uvloop.run
    run(serve(_settings(flags), _announce(flags.ready_file)))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("adapters.venues.paper", description=__doc__)
    add = parser.add_argument
    add("--file", type=Path, required=True, help="the ledger, an SQLite file")
    add("--host", default="127.0.0.1", help="the address to listen on")
    add("--port", type=int, default=0, help="0 takes a free one")
    add("--ready-file", type=Path, help="gets the port, as text, once the venue listens")
    add("--token-file", type=Path, help="the shared token; else PAPER_TOKEN, else none")
    add("--candles", type=Path, help="a CSV: time,open,high,low,close,volume")
    add("--speed", type=amount, default=Decimal(1), help="how much faster the candles play")
    add("--half-spread-bp", type=amount, default=EUR_USD.half_spread_bp)
    add("--level-quantity", type=amount, default=EUR_USD.level_quantity)
    add("--levels", type=int, default=EUR_USD.levels)
    add(
        "--deposit",
        type=_deposit,
        action="append",
        metavar="EUR=1000000",
        help="money of each new account",
    )
    add("--faults", type=Path, help="a JSON list of fault rules")
    add("--test-mode", action="store_true", help="serve /test/*")
    add(
        "--exit-with-parent",
        type=int,
        nargs="?",
        const=0,
        metavar="PID",
        help="stop when the thread that started it ends (Linux); not even start unless PID did",
    )
    return parser


def _settings(flags: argparse.Namespace) -> Settings:
    pair = msgspec.structs.replace(
        EUR_USD,
        half_spread_bp=flags.half_spread_bp,
        level_quantity=flags.level_quantity,
        levels=flags.levels,
        candles_file=flags.candles or EUR_USD.candles_file,
    )
    terms = Terms(pairs=(pair,))
    if flags.deposit:
        terms = msgspec.structs.replace(terms, deposits=tuple(flags.deposit))
    faults: list[FaultRule] = []
    if flags.faults:
        faults = msgspec.json.decode(flags.faults.read_bytes(), type=list[FaultRule])
    token = os.environ.get("PAPER_TOKEN")
    if flags.token_file:
        token = flags.token_file.read_text("utf-8").strip()
    return Settings(
        file=flags.file,
        host=flags.host,
        port=flags.port,
        token=token or None,
        terms=terms,
        speed=flags.speed,
        is_test_mode=flags.test_mode,
        faults=tuple(faults),
    )


def _deposit(text: str) -> tuple[str, Decimal]:
    token, _, total = text.partition("=")
    return token, amount(total)


def _announce(ready_file: Path | None) -> Callable[[int], None]:
    def announce(port: int) -> None:
        if ready_file is not None:
            draft = ready_file.with_name(f"{ready_file.name}.{os.getpid()}")
            draft.write_text(str(port), "utf-8")
            draft.replace(ready_file)

    return announce


def _exit_with_parent(expected: int) -> None:
    """Ask the kernel for SIGTERM when the parent ends; raises SystemExit where it cannot.

    Without `expected` (0) a parent that ended before this call goes unnoticed: process 1, which
    then adopts us, may as well be the true parent in a container.
    """
    if sys.platform != "linux":
        raise SystemExit("--exit-with-parent needs Linux. Leave it out.")
    parent = os.getppid()
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM) != 0:
        raise SystemExit(f"prctl: {os.strerror(ctypes.get_errno())}")
    if os.getppid() != (expected or parent):
        raise SystemExit("the parent is already gone")


if __name__ == "__main__":
    main()
