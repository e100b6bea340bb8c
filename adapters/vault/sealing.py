"""Seals the fields of one credential: AES-256-GCM under a data key, that under a master key.

What is sealed is bound to its id, account and connector: a row that was moved or renamed opens no
more. Pure, but for the randomness of keys and nonces.
"""

import os

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import Struct

from adapters.vault.fields import Fields
from adapters.vault.keys import Keyring, MasterKey

_DATA_KEY_BITS = 256
_NONCE_BYTES = 12


class SecretGone(LookupError):  # noqa: N818 - says what is so
    """The vault holds no such secret: it was deleted, or never arrived."""


class WrongMasterKey(LookupError):  # noqa: N818 - says what is so
    """Sealed under a master key that this process does not have; str() says which."""


class SecretDamaged(LookupError):  # noqa: N818 - says what is so
    """A row is not what was sealed."""


class Sealed(Struct, frozen=True):
    """One row of the vault."""

    secret_id: str
    account: str
    connector: str
    master_key_id: str
    wrapped_key: bytes
    nonce: bytes
    ciphertext: bytes


def seal(key: MasterKey, secret_id: str, account: str, connector: str, fields: Fields) -> Sealed:
    bound = _bound(secret_id, account, connector)
    data_key, nonce = AESGCM.generate_key(_DATA_KEY_BITS), os.urandom(_NONCE_BYTES)
    ciphertext = AESGCM(data_key).encrypt(nonce, msgspec.json.encode(fields.values), bound)
    wrapped = _wrap(key, data_key, bound)
    return Sealed(secret_id, account, connector, key.id, wrapped, nonce, ciphertext)


def unseal(keys: Keyring, row: Sealed) -> Fields:
    """Raise WrongMasterKey or SecretDamaged."""
    data_key = _unwrap(keys, row)
    try:
        text = AESGCM(data_key).decrypt(row.nonce, row.ciphertext, _bound_of(row))
    except InvalidTag:
        raise _damaged(row) from None
    return Fields(msgspec.json.decode(text, type=dict[str, object]))


def rewrap(keys: Keyring, row: Sealed) -> Sealed:
    """The same secret with its data key under the newest master key."""
    wrapped = _wrap(keys.newest, _unwrap(keys, row), _bound_of(row))
    return msgspec.structs.replace(row, master_key_id=keys.newest.id, wrapped_key=wrapped)


def _wrap(key: MasterKey, data_key: bytes, bound: bytes) -> bytes:
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + AESGCM(key.wrapping).encrypt(nonce, data_key, key.id.encode() + bound)


def _unwrap(keys: Keyring, row: Sealed) -> bytes:
    key = keys.by_id.get(row.master_key_id)
    if key is None:
        raise missing(keys, row.master_key_id, f"Secret {row.secret_id} of {row.account!r}")
    nonce, wrapped = row.wrapped_key[:_NONCE_BYTES], row.wrapped_key[_NONCE_BYTES:]
    try:
        return AESGCM(key.wrapping).decrypt(nonce, wrapped, key.id.encode() + _bound_of(row))
    except InvalidTag:
        raise _damaged(row) from None


def missing(keys: Keyring, key_id: str, what: str) -> WrongMasterKey:
    return WrongMasterKey(
        f"{what} was sealed under the master key {key_id}; this process has "
        f"{', '.join(sorted(keys.by_id))}. Give it the right CONFIG_PASSWORD or AVIARY_MASTER_KEY, "
        "or name the former one in AVIARY_OLD_CONFIG_PASSWORD or AVIARY_OLD_MASTER_KEYS."
    )


def _damaged(row: Sealed) -> SecretDamaged:
    return SecretDamaged(
        f"Secret {row.secret_id} of {row.account!r} at {row.connector!r} is not what was sealed: "
        "its row was changed. Delete the credential and add it again."
    )


def _bound_of(row: Sealed) -> bytes:
    return _bound(row.secret_id, row.account, row.connector)


def _bound(*parts: str) -> bytes:
    """Each part with its length before it, so that none can be shifted into the next."""
    encoded = [part.encode() for part in ("aviary vault 1", *parts)]
    return b"".join(len(part).to_bytes(8, "big") + part for part in encoded)
