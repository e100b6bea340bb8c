"""How an API process is listed in the table `workers`, beside those that must have its secrets.

Request hashes and cursors are made under a key that follows from the master key: an API process
with another one would refuse repeated requests and cursors of its neighbours. So each shows a
fingerprint; one that differs from the process that was there first is not ready.
"""

import asyncio
import contextlib
import hmac
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

from api.deps import Deps
from workers.running.beating import BEAT_SECONDS, beating
from workers.running.pulse import Pulse

NAME = "api"
_BYTES = 6  # an integer that a double holds, as Prometheus shows it


def fingerprints(deps: Deps) -> dict[str, int]:
    """What tells two keys or two logins apart and nothing else about them."""
    settings = deps.settings
    login = f"{settings.username}:{settings.password}".encode()
    return {
        "key_fingerprint": _fingerprint(deps.hash_key, b"key"),
        "login_fingerprint": _fingerprint(deps.hash_key, login),
    }


def _fingerprint(key: bytes, what: bytes) -> int:
    return int.from_bytes(hmac.digest(key, b"fingerprint of " + what, "sha256")[:_BYTES])


def has_the_key_of(deps: Deps, others: Iterable[Mapping[str, Any]]) -> bool:
    """Whether we have the same key as the first of the live API processes, if there is one."""
    first = next(iter(others), None)
    return first is None or (first.get("key_fingerprint") == fingerprints(deps)["key_fingerprint"])


@contextlib.asynccontextmanager
async def presence(deps: Deps) -> AsyncIterator[None]:
    """Be listed for as long as the block runs."""
    pulse = Pulse(NAME, detail=fingerprints(deps))
    async with beating(deps.settings.database_url or "", [pulse]):
        task = asyncio.create_task(_beat(deps, pulse))
        try:
            yield
        finally:
            task.cancel()
            pulse.beat("stopped")


async def _beat(deps: Deps, pulse: Pulse) -> None:
    while True:
        pulse.beat("running", position=deps.hub.position)
        await asyncio.sleep(BEAT_SECONDS / 2)
