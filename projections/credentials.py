"""One row per account and connector: the credential in force, the one offered, the last refusal.

Holds ids of secrets and fingerprints, never a secret. Whether the account is open, in the same
generation, is said by `accounts`.
"""

from msgspec import Struct, structs

from domain import credential
from domain.credential import (
    CredentialAccepted,
    CredentialDeleted,
    CredentialOffered,
    CredentialRefused,
)
from projections.projection import Fact, Projection
from projections.tags import tags_of


class CredentialRow(Struct, frozen=True, kw_only=True):
    key: str
    """`<account>/<connector>`"""
    account: str
    connector: str
    generation: int
    is_active: bool = False
    is_deleted: bool = False
    secret_id: str = ""
    fingerprint: str = ""
    can_trade: bool | None = None
    can_withdraw: bool | None = None
    accepted_at_us: int | None = None
    offered_secret_id: str | None = None
    offered_fingerprint: str | None = None
    offered_at_us: int | None = None
    refused_code: str | None = None
    refused_text: str | None = None
    refused_at_us: int | None = None
    position: int


def keys(fact: Fact) -> tuple[str, ...]:
    return (fact.stream.removeprefix("credential-"),)


def evolve(row: CredentialRow | None, fact: Fact, key: str) -> CredentialRow | None:
    at_us = fact.metadata.recorded_at_us
    match fact.event:
        case CredentialOffered(account, connector, secret_id, fingerprint, generation):
            if row is None or row.generation != generation:
                row = CredentialRow(
                    key=key,
                    account=account,
                    connector=connector,
                    generation=generation,
                    position=fact.position,
                )
            return structs.replace(
                row,
                offered_secret_id=secret_id,
                offered_fingerprint=fingerprint,
                offered_at_us=at_us,
                position=fact.position,
            )
        case CredentialAccepted(secret_id, can_trade, can_withdraw) if row is not None:
            return CredentialRow(
                key=key,
                account=row.account,
                connector=row.connector,
                generation=row.generation,
                is_active=True,
                secret_id=secret_id,
                fingerprint=row.offered_fingerprint or "",
                can_trade=can_trade,
                can_withdraw=can_withdraw,
                accepted_at_us=at_us,
                position=fact.position,
            )
        case CredentialRefused(_, code, text) if row is not None:
            return structs.replace(
                row,
                offered_secret_id=None,
                refused_code=code,
                refused_text=text,
                refused_at_us=at_us,
                position=fact.position,
            )
        case CredentialDeleted(account, connector, generation):
            return CredentialRow(
                key=key,
                account=account,
                connector=connector,
                generation=generation,
                is_deleted=True,
                position=fact.position,
            )
        case _:
            return row


PROJECTION = Projection(
    "credentials",
    CredentialRow,
    tags_of(credential.Event),
    keys,
    evolve,
)
"""Read by the dispatcher, so it follows the log only."""
