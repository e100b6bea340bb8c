"""One row per API key: who may do what until when. Holds a hash, never the secret."""

from msgspec import Struct, structs

from domain.actor import KeyCreated, KeyRevoked
from projections.projection import Fact, Projection
from projections.tags import tags_of


class ApiKeyRow(Struct, frozen=True, kw_only=True):
    key: str
    name: str
    scopes: tuple[str, ...]
    secret_sha256: str
    expires_at_us: int | None
    revoked_at_us: int | None = None
    created_at_us: int
    position: int


def keys(fact: Fact) -> tuple[str, ...]:
    return (fact.stream.removeprefix("actor-"),)


def evolve(row: ApiKeyRow | None, fact: Fact, key: str) -> ApiKeyRow | None:
    match fact.event:
        case KeyCreated(_, name, scopes, secret_sha256, expires_at_us):
            return ApiKeyRow(
                key=key,
                name=name,
                scopes=scopes,
                secret_sha256=secret_sha256,
                expires_at_us=expires_at_us,
                created_at_us=fact.metadata.recorded_at_us,
                position=fact.position,
            )
        case KeyRevoked() if row is not None:
            return structs.replace(
                row, revoked_at_us=fact.metadata.recorded_at_us, position=fact.position
            )
        case _:
            return row


PROJECTION = Projection("api_keys", ApiKeyRow, tags_of(KeyCreated, KeyRevoked), keys, evolve)
