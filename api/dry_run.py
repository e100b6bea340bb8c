"""What a command would do now: decided on the stored state, written nowhere."""

import time
from typing import Any

import msgspec

from api.deps import Deps
from api.errors import refusal
from api.reading import in_thread
from commands.catalogue import aggregate_of
from commands.folding import fold
from commands.request import Command
from commands.store import Store
from domain import tally
from domain.refusal import Refused


async def dry_run(deps: Deps, stream: str, command: Command) -> bytes:
    """The JSON answer; raises the Failure that the command itself would answer."""
    try:
        events = await in_thread(_decide, deps.store, stream, command)
    except Refused as refused:
        raise refusal(refused) from None
    return msgspec.json.encode({"dry_run": True, "events": events})


def _decide(store: Store, stream: str, command: Command) -> tuple[Any, ...]:
    aggregate = aggregate_of(stream)
    state = fold(store, stream)[1]
    guards = [fold(store, name)[1] for name in aggregate.guards(command)]
    if aggregate.counting is not None:
        counted = store.read_tallies()
        now_us = time.time_ns() // 1000
        guards += [
            tally.at(tally.decode(key, counted.get(key)), now_us)
            for key in aggregate.counting.keys(command, state)
        ]
    return aggregate.decide(command, state, guards)
