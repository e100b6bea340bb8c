"""One command on its way to the log, and what came of it."""

import base64
import hashlib
import hmac
from collections.abc import Iterable

from msgspec import Struct, msgpack

from domain import (
    account,
    actor,
    credential,
    funding,
    limits,
    order_messages,
    perpetual,
    portfolio,
    position,
    reconciliation,
    switch,
)
from domain.events import Event
from domain.log import Fence, Receipt

Command = (
    account.Command
    | actor.Command
    | credential.Command
    | funding.Command
    | limits.Command
    | order_messages.Command
    | perpetual.Command
    | portfolio.Command
    | position.Command
    | reconciliation.Command
    | switch.Command
)
COMMAND_ID_BYTES = 16


class Request(Struct, frozen=True, kw_only=True):
    command_id: str
    actor: str
    stream: str
    command: Command
    request_hash: bytes
    correlation_id: str
    causation_id: str | None = None
    fence: Fence | None = None
    """The lease under which a worker acts; None for clients."""
    is_observation: bool = False
    """What a worker saw. Where it changes nothing it leaves no receipt, and may count later."""


class Outcome(Struct, frozen=True):
    receipt: Receipt
    events: tuple[Event, ...] = ()
    """What was decided now; empty for a replay, whose events are in the log."""
    is_replay: bool = False


class KeyReused(Exception):  # noqa: N818 - says what is so
    """The same idempotency key came with another request. Nothing was done."""


class LeaseLost(Exception):  # noqa: N818 - says what is so
    """Another worker acts for the account now. Nothing was done, the command id is unused."""


class Overloaded(Exception):  # noqa: N818 - says what is so
    """Too many commands wait for the log already. Nothing was done; try again shortly."""


def request_hash(key: bytes, parts: Iterable[bytes]) -> bytes:
    """HMAC-SHA-256 over the parts, each preceded by its length, so that none can be shifted."""
    message = b"".join(len(part).to_bytes(8, "big") + part for part in parts)
    return hmac.digest(key, message, "sha256")


def command_id_of(actor_name: str, idempotency_key: str) -> str:
    """A pure function: the same key of the same actor is the same command, for ever."""
    text = f"{len(actor_name)}:{actor_name}{idempotency_key}".encode()
    return hashlib.sha256(text).digest()[:COMMAND_ID_BYTES].hex()


def client_order_id_of(command_id: str) -> str:
    """28 lower-case letters and digits: within every known venue's limits."""
    return "av" + base64.b32encode(bytes.fromhex(command_id)).decode().rstrip("=").lower()


def from_worker(
    name: str,
    stream: str,
    command: Command,
    *,
    correlation_id: str,
    causation_id: str | None = None,
    fence: Fence | None = None,
    identity: str | None = None,
) -> Request:
    """A worker's command: its id is its content, so seeing a thing twice is one command.

    With an identity, its id is that: of all that a stream is told under it the first one counts.
    """
    content = (name, stream, command) if identity is None else (name, stream, identity)
    digest = hashlib.sha256(msgpack.encode(content)).digest()
    return Request(
        command_id=digest[:COMMAND_ID_BYTES].hex(),
        actor=f"worker:{name}",
        stream=stream,
        command=command,
        request_hash=digest,
        correlation_id=correlation_id,
        causation_id=causation_id,
        fence=fence,
        is_observation=fence is None,
    )
