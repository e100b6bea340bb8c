"""One API key: what its bearer may do, and until when it may do it.

The secret itself never comes here: events carry the SHA-256 of its 256 random bits.
"""

from typing import assert_never

from msgspec import Struct

from domain.log import Routing
from domain.refusal import Refused

SCOPES = ("read", "trade", "admin", "analyse")
"""`read` sees everything, `trade` places and cancels, `admin` manages keys and read models,
`analyse` sends SQL to the lake."""
KEY_ID_BYTES = 6
"""At random, told in hexadecimal."""


class CreateKey(Struct, frozen=True, tag="actor.create_key"):
    key_id: str
    name: str
    scopes: tuple[str, ...]
    secret_sha256: str
    expires_at_us: int | None = None


class RevokeKey(Struct, frozen=True, tag="actor.revoke_key"):
    key_id: str
    reason: str = ""


class KeyCreated(Struct, frozen=True, tag="actor.key_created.v1"):
    """An API key exists."""

    key_id: str
    name: str
    scopes: tuple[str, ...]
    secret_sha256: str
    """Hexadecimal."""
    expires_at_us: int | None = None
    """Null where it never expires."""


class KeyRevoked(Struct, frozen=True, tag="actor.key_revoked.v1"):
    """An API key opens nothing any more."""

    key_id: str
    reason: str = ""


Command = CreateKey | RevokeKey
Event = KeyCreated | KeyRevoked


class Actor(Struct, frozen=True):
    key_id: str = ""
    scopes: tuple[str, ...] = ()
    is_revoked: bool = False


def stream(key_id: str) -> str:
    return f"actor-{key_id}"


def decide(command: Command, state: Actor) -> tuple[Event, ...]:
    match command:
        case CreateKey(key_id, name, scopes, secret_sha256, expires_at_us):
            if state.key_id:
                raise Refused("key_exists", f"Key {key_id!r} exists already.")
            unknown = sorted(set(scopes) - set(SCOPES))
            if unknown or not scopes:
                raise Refused(
                    "unknown_scope", f"Scopes {unknown} are unknown; choose from {SCOPES}."
                )
            return (KeyCreated(key_id, name, scopes, secret_sha256, expires_at_us),)
        case RevokeKey(key_id, reason):
            if not state.key_id:
                raise Refused("unknown_key", f"There is no key {key_id!r}.")
            return () if state.is_revoked else (KeyRevoked(key_id, reason),)
        case _:
            assert_never(command)


def evolve(state: Actor, event: Event) -> Actor:
    match event:
        case KeyCreated(key_id, _, scopes):
            return Actor(key_id, scopes)
        case KeyRevoked():
            return Actor(state.key_id, state.scopes, is_revoked=True)
        case _:
            assert_never(event)


def routing(_state: Actor) -> Routing:
    return Routing()
