"""Master keys of the vault: where they come from, and the key that wraps derived from each.

AVIARY_MASTER_KEY comes first, then CONFIG_PASSWORD through Argon2id, then <data-dir>/master.key.
The first that is there seals; all of them, and those that are named as old, open.
"""

import hmac
from collections.abc import Callable

from argon2.low_level import Type, hash_secret_raw
from msgspec import Struct

from adapters.master_key import FILE_NAME, file_key
from adapters.settings import Settings

SALT_BYTES = 16
_KEY_BYTES = 32
_ID_BYTES = 8
# The second choice that RFC 9106 recommends: 64 MiB, three passes; about 0.1 s.
_PASSES = 3
_MEMORY_KIB = 65536
_LANES = 4


class MasterKey(Struct, frozen=True):
    id: str
    """A hash of the key: names it without telling it."""
    wrapping: bytes

    def __repr__(self) -> str:
        return f"MasterKey({self.id!r})"


class Keyring(Struct, frozen=True):
    newest: MasterKey
    """The one that seals."""
    old: tuple[MasterKey, ...] = ()

    @property
    def by_id(self) -> dict[str, MasterKey]:
        return {key.id: key for key in (*self.old, self.newest)}


def from_bytes(key: bytes) -> MasterKey:
    name = hmac.digest(key, b"vault master key id", "sha256")[:_ID_BYTES].hex()
    return MasterKey(name, hmac.digest(key, b"vault wrapping key", "sha256"))


def from_password(password: str, salt: bytes) -> MasterKey:
    return from_bytes(
        hash_secret_raw(password.encode(), salt, _PASSES, _MEMORY_KIB, _LANES, _KEY_BYTES, Type.ID)
    )


def keyring(settings: Settings, salt: Callable[[], bytes]) -> Keyring:
    """Read or derive every master key that this process has; `salt` is asked only for passwords.

    Raises BadSetting for a key file that cannot be used.
    """
    found: list[MasterKey] = []
    if settings.master_key is not None:
        found.append(from_bytes(settings.master_key))
    if settings.config_password:
        found.append(from_password(settings.config_password, salt()))
    if not found or (settings.data_dir / FILE_NAME).exists():
        found.append(from_bytes(file_key(settings)))
    found += [from_bytes(key) for key in settings.old_master_keys]
    if settings.old_config_password:
        found.append(from_password(settings.old_config_password, salt()))
    return Keyring(found[0], tuple(found[1:]))
