"""From a request to a committed command: its id, its hash, its outcome, the headers of its answer.

The same key from the same caller is the same command for ever, so an answer must be a function of
the request and the receipt alone.
"""

import asyncio
import os
import re
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from litestar import Request
from msgspec import Struct

from api.deps import Caller, Deps
from api.errors import RETRY_SOON, Failure, invalid, of_command, refusal
from api.http.body_and_headers import headers
from api.http.decoding import parameter
from api.metrics import Metrics
from api.reading import in_thread
from commands.request import COMMAND_ID_BYTES, Command, Outcome, command_id_of, request_hash
from commands.request import Request as CommandRequest
from domain.log import Receipt

Found = TypeVar("Found")
_KEY = re.compile(rb"[!-~]{1,255}")
_PREFERENCE = re.compile(rb'(?:"(?:[^"\\]|\\.)*"?|[^,;"])+')
_SECONDS = re.compile(rb'"?([0-9]{1,100})"?')
_UNHASHED = frozenset({"wait", "dry_run", "min_position"})
WAIT_MAX_SECONDS = 60
SOON_SECONDS = 2.0
COMMIT_SECONDS = 15.0
PREFERENCE = "Preference-Applied"
_LOOK_SECONDS = 0.5
_PAUSE_SECONDS = 0.02
"""Between two looks, however fast the log grows."""


class OutcomeUnknown(Exception):  # noqa: N818 - says what is so
    """The committer has not answered in time; it may do so yet, and the receipt stands."""


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
    """Raise Failure 422 for an Idempotency-Key that is none, and for two that differ."""
    caller: Caller = request.scope["user"]
    keys = headers(request.scope, b"idempotency-key")
    if not keys:
        command_id = os.urandom(COMMAND_ID_BYTES).hex()
    elif len(set(keys)) > 1:
        raise _no_key("there are several Idempotency-Keys, and a request can have one", keys)
    elif _KEY.fullmatch(keys[0]):
        command_id = command_id_of(caller.name, keys[0].decode())
    else:
        raise _no_key("an Idempotency-Key is 1 to 255 visible ASCII characters", keys)
    parts = [handler.encode(), *(part.encode() for part in path), *_query(request), body]
    digest = request_hash(deps.hash_key, parts)
    return Intent(
        command_id, caller.name, bool(keys), digest, wait_of(headers(request.scope, b"prefer"))
    )


def _no_key(text: str, keys: list[bytes]) -> Failure:
    shown = b", ".join(keys)[:300].decode("latin-1")
    return invalid("value_error", ("header", "Idempotency-Key"), f"Value error, {text}", shown)


async def is_received(deps: Deps, intended: Intent) -> bool:
    """A repeated request gets its first answer, whatever has become of things meanwhile."""
    if not intended.is_keyed:
        return False
    found = await in_thread(deps.store.find_receipts, [intended.command_id])
    return intended.command_id in found


async def submit(
    request: Request[Any, Any, Any], deps: Deps, intended: Intent, stream: str, command: Command
) -> Outcome:
    """Raise Failure for a refusal, for everything that a committer raises, and after 15 s."""
    metrics: Metrics = request.app.state.metrics
    metrics.commands_in_flight += 1
    try:
        outcome = await _in_time(
            deps.committer.submit(
                CommandRequest(
                    command_id=intended.command_id,
                    actor=intended.actor,
                    stream=stream,
                    command=command,
                    request_hash=intended.digest,
                    correlation_id=intended.command_id,
                )
            )
        )
    except OutcomeUnknown:
        raise _unknown(intended) from None
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


async def _in_time(future: "asyncio.Future[Outcome]") -> Outcome:
    """The committer's answer. A timer on the future itself: 2 us, where a timeout costs 10."""
    timer = asyncio.get_running_loop().call_later(COMMIT_SECONDS, _give_up, future)
    try:
        return await future
    finally:
        timer.cancel()


def _give_up(future: "asyncio.Future[Outcome]") -> None:
    if not future.done():
        future.set_exception(OutcomeUnknown())


def _unknown(intended: Intent) -> Failure:
    text = (
        f"The log has not answered within {COMMIT_SECONDS:.0f} s: whether the command was stored "
        "is unknown. "
    )
    if intended.is_keyed:
        text += "Send it again with the same Idempotency-Key: it is done at most once."
    else:
        text += (
            "It had no Idempotency-Key, so sent again it may be done twice. Ask "
            f"/audit/commands/{intended.command_id} first, and give the next one a key to be "
            "repeated with."
        )
    failure = failed(intended, 503, text, "outcome_unknown")
    failure.headers |= RETRY_SOON
    return failure


def headers_of(receipt: Receipt, *, is_replay: bool) -> dict[str, str]:
    headers = {"Command-Id": receipt.command_id, "Log-Position": str(receipt.position)}
    if is_replay:
        headers["Idempotency-Replayed"] = "true"
    return headers


async def settle(deps: Deps, intended: Intent, outcome: Outcome, headers: dict[str, str]) -> bool:
    """Obey `Prefer: wait=N`; True when the read models hold the outcome, which is then said."""
    if intended.wait_seconds is None:
        return False
    await settle_soon(deps, intended, outcome.receipt.position, headers)
    return PREFERENCE in headers


async def settle_soon(deps: Deps, intended: Intent, position: int, headers: dict[str, str]) -> None:
    """As `settle`, and a moment also for clients that do not ask: they list what they changed."""
    seconds = SOON_SECONDS if intended.wait_seconds is None else intended.wait_seconds
    if await deps.hub.reached(position, seconds):
        say_waited(intended, headers)


def say_waited(intended: Intent, headers: dict[str, str]) -> None:
    """That the client's wish to wait was obeyed, where it had one."""
    if intended.wait_seconds is not None:
        headers[PREFERENCE] = f"wait={intended.wait_seconds}"


async def wait_for(
    deps: Deps, look: Callable[[], Awaitable[Found | None]], seconds: float
) -> Found | None:
    """Look again whenever read models move, until there is something to see or time is over."""
    give_up_at = time.monotonic() + seconds
    while True:
        position = deps.hub.position
        found = await look()
        left = give_up_at - time.monotonic()
        if found is not None or left <= 0:
            return found
        await deps.hub.reached(position + 1, min(left, _LOOK_SECONDS))
        await asyncio.sleep(_PAUSE_SECONDS)


def is_dry_run(request: Request[Any, Any, Any]) -> bool:
    """Raise Failure 422 for a dry_run that is neither true nor false."""
    value = parameter(request, "dry_run")
    if value is None:
        return False
    if value not in ("true", "false"):
        raise invalid("bool_parsing", ("query", "dry_run"), "Expected true or false", value[:200])
    return value == "true"


def _query(request: Request[Any, Any, Any]) -> list[bytes]:
    if not request.scope["query_string"]:
        return []
    pairs = request.query_params.multi_items()
    return [part.encode() for pair in pairs if pair[0] not in _UNHASHED for part in map(str, pair)]


def wait_of(prefers: list[bytes]) -> int | None:
    """The first `wait` in all Prefer headers; one inside another's quotes is none."""
    for prefer in prefers:
        for preference in _PREFERENCE.findall(prefer):
            name, _, value = preference.partition(b"=")
            if name.strip().lower() == b"wait":
                found = _SECONDS.fullmatch(value.strip())
                return None if found is None else min(int(found[1]), WAIT_MAX_SECONDS)
    return None


def failed(intended: Intent, status: int, text: str, code: str) -> Failure:
    """A failure before the command was submitted: nothing was stored under its id."""
    return Failure(status, text, code, intended.headers)
