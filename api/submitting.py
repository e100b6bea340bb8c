"""From a request to a committed command: its id, its hash, its outcome, the headers of its answer.

The same key from the same caller is the same command for ever, so an answer must be a function of
the request and the receipt alone.
"""

import os
import re
from typing import Any

from litestar import Request
from msgspec import Struct

from api.deps import Caller, Deps
from api.errors import Failure, invalid, of_command, refusal
from api.http import header
from api.metrics import Metrics
from commands.request import COMMAND_ID_BYTES, Command, Outcome, command_id_of, request_hash
from commands.request import Request as CommandRequest
from domain.log import Receipt

_KEY = re.compile(rb"[!-~]{1,255}")
_WAIT = re.compile(rb"(?:^|[,;])\s*wait\s*=\s*\"?([0-9]{1,6})\"?\s*(?=$|[,;])", re.IGNORECASE)
_UNHASHED = frozenset({"wait", "dry_run", "min_position"})
WAIT_MAX_SECONDS = 60


class Intent(Struct, frozen=True):
    """A request as a command: `handler` and `path` are hashed with query and body."""

    command_id: str
    actor: str
    is_keyed: bool
    digest: bytes
    wait_seconds: int | None

    @property
    def headers(self) -> dict[str, str]:
        return {"Command-Id": self.command_id}


def intent(
    request: Request[Any, Any, Any],
    deps: Deps,
    handler: str,
    path: tuple[str, ...] = (),
    body: bytes = b"",
) -> Intent:
    """Raise Failure 422 for an Idempotency-Key that is none."""
    caller: Caller = request.scope["user"]
    key = header(request.scope, b"idempotency-key")
    if key is None:
        command_id = os.urandom(COMMAND_ID_BYTES).hex()
    elif _KEY.fullmatch(key):
        command_id = command_id_of(caller.name, key.decode())
    else:
        text = "Value error, an Idempotency-Key is 1 to 255 visible ASCII characters"
        raise invalid(
            "value_error", ("header", "Idempotency-Key"), text, key[:300].decode("latin-1")
        )
    parts = [handler.encode(), *(part.encode() for part in path), *_query(request), body]
    digest = request_hash(deps.hash_key, parts)
    return Intent(command_id, caller.name, key is not None, digest, _wait(request))


async def submit(
    request: Request[Any, Any, Any], deps: Deps, intended: Intent, stream: str, command: Command
) -> Outcome:
    """Raise Failure for a refusal and for everything that a committer raises."""
    metrics: Metrics = request.app.state.metrics
    metrics.commands_in_flight += 1
    try:
        outcome = await deps.committer.submit(
            CommandRequest(
                command_id=intended.command_id,
                actor=intended.actor,
                stream=stream,
                command=command,
                request_hash=intended.digest,
                correlation_id=intended.command_id,
            )
        )
    except Exception as error:
        failure = of_command(error)
        if failure is None:
            raise
        failure.headers |= intended.headers
        raise failure from error
    finally:
        metrics.commands_in_flight -= 1
    if outcome.receipt.outcome == "refused":
        failure = refusal(outcome.receipt)
        failure.headers |= headers_of(outcome.receipt, is_replay=outcome.is_replay)
        raise failure
    return outcome


def headers_of(receipt: Receipt, *, is_replay: bool) -> dict[str, str]:
    headers = {"Command-Id": receipt.command_id, "Log-Position": str(receipt.position)}
    if is_replay:
        headers["Idempotency-Replayed"] = "true"
    return headers


async def settle(deps: Deps, intended: Intent, outcome: Outcome, headers: dict[str, str]) -> bool:
    """Obey `Prefer: wait=N`; True when the read models hold the outcome, which is then said."""
    if intended.wait_seconds is None:
        return False
    if not await deps.hub.reached(outcome.receipt.position, intended.wait_seconds):
        return False
    headers["Preference-Applied"] = f"wait={intended.wait_seconds}"
    return True


def is_dry_run(request: Request[Any, Any, Any]) -> bool:
    """Raise Failure 422 for a dry_run that is neither true nor false."""
    if b"dry_run" not in request.scope["query_string"]:
        return False
    value = request.query_params.get("dry_run", "false")
    if value not in ("true", "false"):
        raise invalid("bool_parsing", ("query", "dry_run"), "Expected true or false", value[:200])
    return value == "true"


def _query(request: Request[Any, Any, Any]) -> list[bytes]:
    if not request.scope["query_string"]:
        return []
    pairs = request.query_params.multi_items()
    return [part.encode() for pair in pairs if pair[0] not in _UNHASHED for part in map(str, pair)]


def _wait(request: Request[Any, Any, Any]) -> int | None:
    prefer = header(request.scope, b"prefer")
    found = _WAIT.search(prefer) if prefer else None
    return min(int(found[1]), WAIT_MAX_SECONDS) if found else None


def failed(intended: Intent, status: int, text: str, code: str) -> Failure:
    """A failure before the command was submitted: nothing was stored under its id."""
    return Failure(status, text, code, intended.headers)
