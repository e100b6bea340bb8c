"""One account's credential at one connector: offered, then accepted or refused by its venue.

The fields themselves never come here: events carry the id under which the vault holds them and a
fingerprint. The surprising thing: the credential in force stays so until another is accepted, and
it belongs to one opening of its account; an account that is deleted and opened anew has none.
"""

from typing import assert_never

from msgspec import Struct, structs

from domain.account import Account
from domain.account import stream as account_stream
from domain.log import Routing
from domain.refusal import Refused


class OfferCredential(Struct, frozen=True, tag="credential.offer"):
    """Without a secret id: the connector needs no secret, and is accepted as it is."""

    account: str
    connector: str
    secret_id: str = ""
    fingerprint: str = ""


class RecordCredentialAccepted(Struct, frozen=True, tag="credential.record_accepted"):
    account: str
    connector: str
    secret_id: str
    can_trade: bool | None
    can_withdraw: bool | None


class RecordCredentialRefused(Struct, frozen=True, tag="credential.record_refused"):
    account: str
    connector: str
    secret_id: str
    code: str
    text: str


class DeleteCredential(Struct, frozen=True, tag="credential.delete"):
    account: str
    connector: str
    generation: int | None = None
    """Delete only what belongs to this opening of the account; None for whatever there is."""


class CredentialOffered(Struct, frozen=True, tag="credential.offered.v1"):
    """A credential lies in the vault; whether its venue takes it is to be found out."""

    account: str
    connector: str
    secret_id: str
    """Names the row of the vault; empty where the connector needs no secret."""
    fingerprint: str
    """A keyed hash of the fields: equal fields have equal fingerprints in one installation."""
    generation: int
    """Which opening of the account it belongs to, from 1."""


class CredentialAccepted(Struct, frozen=True, tag="credential.accepted.v1"):
    """The credential is in force, in place of the one before."""

    secret_id: str
    can_trade: bool | None
    """Null where the venue does not say."""
    can_withdraw: bool | None
    """Null where the venue does not say."""


class CredentialRefused(Struct, frozen=True, tag="credential.refused.v1"):
    """The credential is not taken; the one before, if any, stays in force."""

    secret_id: str
    code: str
    """The venue's, or ours."""
    text: str


class CredentialDeleted(Struct, frozen=True, tag="credential.deleted.v1"):
    """The account has no credential at the connector any more, and its secrets are destroyed."""

    account: str
    connector: str
    generation: int
    """Of the account, as in `credential.offered.v1`."""


Command = OfferCredential | RecordCredentialAccepted | RecordCredentialRefused | DeleteCredential
Event = CredentialOffered | CredentialAccepted | CredentialRefused | CredentialDeleted


class Credential(Struct, frozen=True):
    account: str = ""
    connector: str = ""
    generation: int = 0
    is_active: bool = False
    secret_id: str = ""
    """Of the credential in force."""
    offered: str | None = None
    """The secret id of one that is being checked."""
    is_deleted: bool = False
    """Also of a connector that the account had from its opening, without a credential."""


def stream(account: str, connector: str) -> str:
    return f"credential-{account}/{connector}"


def guards(command: Command) -> tuple[str, ...]:
    return (account_stream(command.account),)


def may_trade(account: Account, connector: str, credential: Credential) -> bool:
    """Whether orders of the account may go to the connector, whose credential this is."""
    if not account.is_open:
        return False
    if credential.generation != account.generation:
        return connector in account.connectors
    return credential.is_active or (connector in account.connectors and not credential.is_deleted)


def decide(command: Command, state: Credential, account: Account) -> tuple[Event, ...]:
    match command:
        case OfferCredential(name, connector, secret_id, fingerprint):
            if not account.is_open:
                raise Refused("unknown_account", f"Account {name!r} does not exist.")
            offered = CredentialOffered(name, connector, secret_id, fingerprint, account.generation)
            if secret_id:
                return (offered,)
            return (offered, CredentialAccepted("", can_trade=None, can_withdraw=None))
        case RecordCredentialAccepted(_, _, secret_id, can_trade, can_withdraw):
            if secret_id != state.offered:
                return ()  # Another one was offered meanwhile, or this one deleted.
            if state.generation != account.generation or not account.is_open:
                return (CredentialDeleted(state.account, state.connector, state.generation),)
            return (CredentialAccepted(secret_id, can_trade, can_withdraw),)
        case RecordCredentialRefused(_, _, secret_id, code, text):
            return () if secret_id != state.offered else (CredentialRefused(secret_id, code, text),)
        case DeleteCredential():
            return _delete(command, state, account)
        case _:
            assert_never(command)


def _delete(command: DeleteCredential, state: Credential, account: Account) -> tuple[Event, ...]:
    name, connector = command.account, command.connector
    has_any = state.is_active or state.offered is not None
    if command.generation is not None:
        is_it = has_any and command.generation == state.generation
        return (CredentialDeleted(name, connector, state.generation),) if is_it else ()
    if not has_any and not may_trade(account, connector, state):
        return ()
    generation = account.generation if account.is_open else state.generation
    return (CredentialDeleted(name, connector, generation),)


def evolve(state: Credential, event: Event) -> Credential:
    match event:
        case CredentialOffered(account, connector, secret_id, _, generation):
            if generation != state.generation:
                state = Credential(account, connector, generation)
            return structs.replace(state, offered=secret_id)
        case CredentialAccepted(secret_id):
            return structs.replace(
                state, is_active=True, is_deleted=False, secret_id=secret_id, offered=None
            )
        case CredentialRefused():
            return structs.replace(state, offered=None)
        case CredentialDeleted(account, connector, generation):
            return Credential(account, connector, generation, is_deleted=True)
        case _:
            assert_never(event)


def routing(state: Credential) -> Routing:
    return Routing(state.account or None, state.connector or None)
