"""What became of a credential that was offered: asked of its stream until it is known.

The outcome is a function of the log, so a repeated request hears what the first one did.
"""

from collections.abc import Iterable
from functools import partial
from typing import Literal

from msgspec import Struct

from api.deps import Deps
from api.reading import in_thread
from api.submitting import wait_for
from commands.codec import decode_recorded
from commands.store import Store
from domain.credential import (
    CredentialAccepted,
    CredentialDeleted,
    CredentialOffered,
    CredentialRefused,
)
from domain.events import Event


class Checked(Struct, frozen=True):
    outcome: Literal["accepted", "refused", "replaced", "deleted"]
    position: int
    code: str = ""
    text: str = ""


def outcome_of(events: Iterable[tuple[int, Event]], secret_id: str) -> Checked | None:
    """From (position, event) of the credential's stream; None while it is being checked."""
    is_offered = False
    for position, event in events:
        match event:
            case CredentialOffered(_, _, other):
                if is_offered:
                    return Checked("replaced", position)
                is_offered = other == secret_id
            case CredentialAccepted(other) if other == secret_id and is_offered:
                return Checked("accepted", position)
            case CredentialRefused(other, code, text) if other == secret_id and is_offered:
                return Checked("refused", position, code, text)
            case CredentialDeleted() if is_offered:
                return Checked("deleted", position)
            case _:
                pass
    return None


async def wait_for_outcome(
    deps: Deps, stream: str, secret_id: str, seconds: float
) -> Checked | None:
    """None where it is not known in time."""
    return await wait_for(deps, partial(in_thread, look, deps.store, stream, secret_id), seconds)


def look(store: Store, stream: str, secret_id: str) -> Checked | None:
    events = ((stored.position, decode_recorded(stored)) for stored in store.read_stream(stream))
    return outcome_of(events, secret_id)


def secrets_named(store: Store, stream: str) -> list[str]:
    """Every secret that the stream has ever named and that no credential needs now; blocks."""
    named: list[str] = []
    in_force = offered = ""
    for stored in store.read_stream(stream):
        match decode_recorded(stored):
            case CredentialOffered(_, _, secret_id):
                named.append(secret_id)
                offered = secret_id  # In place of one whose check has not ended.
            case CredentialAccepted(secret_id):
                in_force, offered = secret_id, ""
            case CredentialRefused():
                offered = ""
            case CredentialDeleted():
                in_force = offered = ""
            case _:
                pass
    needed = (in_force, offered)
    return [secret_id for secret_id in named if secret_id and secret_id not in needed]
