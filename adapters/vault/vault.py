"""The vault: sealed credentials in a table and under a role of their own.

`Sealer` puts secrets in and destroys them; it cannot read any. `Vault` opens them, and belongs in
workers and on the command line. Both connect anew for each call: they are called seldom, and a
connection that may read secrets should not lie about. All calls block.
"""

import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
from msgspec import Struct, structs
from psycopg.rows import class_row, tuple_row

from adapters.postgres.connect import API_WRITER_OPTIONS, VAULT_OPTIONS, connect
from adapters.settings import Settings
from adapters.vault import sealing
from adapters.vault.fields import Fields
from adapters.vault.keys import SALT_BYTES, Keyring, keyring
from adapters.vault.sealing import Sealed, SecretGone, WrongMasterKey

_MARK = "-- name:"


def _queries() -> dict[str, str]:
    parts = Path(__file__).with_name("vault.sql").read_text().split(_MARK)[1:]
    named = (part.partition("\n") for part in parts)
    return {name.strip(): text.strip() for name, _, text in named}


_SQL = _queries()


class Kept(Struct, frozen=True):
    """What may be shown of a row."""

    secret_id: str
    account: str
    connector: str
    master_key_id: str
    created_at: datetime


class Owner(Struct, frozen=True):
    """Whose secret it is."""

    secret_id: str
    account: str
    connector: str


class _Room:
    """Connections of one role, and the master keys, which are derived at the first need."""

    _options: str

    def __init__(self, dsn: str, settings: Settings) -> None:
        self._dsn = dsn
        self._settings = settings
        self._keys: Keyring | None = None
        self._deriving = threading.Lock()

    @contextmanager
    def _connected(self) -> Iterator[psycopg.Connection[Any]]:
        with connect(self._dsn, self._options, autocommit=True) as connection:
            yield connection

    def keys(self) -> Keyring:
        """The master keys of this process; takes 0.1 s for each password, once."""
        with self._deriving:
            if self._keys is None:
                self._keys = keyring(self._settings, self._salt)
            return self._keys

    def _salt(self) -> bytes:
        with self._connected() as connection:
            found = _one(connection, "salt")
            if found is None:
                connection.execute(_SQL["new_salt"].encode(), {"salt": os.urandom(SALT_BYTES)})
                found = _one(connection, "salt")
        assert found is not None  # noqa: S101 - rows of this table are never deleted
        return bytes(found[0])

    def destroy(self, secret_ids: Iterable[str]) -> int:
        """How many of them were there."""
        wanted = {"secret_ids": list(secret_ids)}
        if not wanted["secret_ids"]:
            return 0
        with self._connected() as connection:
            return connection.execute(_SQL["destroy"].encode(), wanted).rowcount


class Sealer(_Room):
    _options = API_WRITER_OPTIONS

    def seal(self, secret_id: str, account: str, connector: str, fields: Fields) -> None:
        """Seal the fields, once: a second time under the same id changes nothing.

        Raises WrongMasterKey where everything there is was sealed under keys unknown here: a
        mistyped password would otherwise seal what the right one cannot open.
        """
        keys = self.keys()
        row = sealing.seal(keys.newest, secret_id, account, connector, fields)
        with self._connected() as connection:
            found = {key_id for (key_id,) in connection.execute(_SQL["key_ids"].encode())}
            if found and not found & set(keys.by_id):
                raise sealing.missing(keys, ", ".join(sorted(found)), "Every secret in the vault")
            connection.execute(_SQL["insert"].encode(), structs.asdict(row))


class Vault(_Room):
    _options = VAULT_OPTIONS

    def open(self, secret_id: str) -> Fields:
        """Raise SecretGone (a LookupError), WrongMasterKey or SecretDamaged."""
        with self._connected() as connection:
            cursor = connection.cursor(row_factory=class_row(Sealed))
            row = cursor.execute(_SQL["one"].encode(), {"secret_id": secret_id}).fetchone()
        if row is None:
            raise SecretGone(f"The vault holds no secret {secret_id!r}.")
        return sealing.unseal(self.keys(), row)

    def kept(self) -> list[Kept]:
        with self._connected() as connection:
            return (
                connection.cursor(row_factory=class_row(Kept))
                .execute(_SQL["all"].encode())
                .fetchall()
            )

    def settled(self, seconds: float) -> list[Owner]:
        """Rows that are older than so many seconds."""
        with self._connected() as connection:
            cursor = connection.cursor(row_factory=class_row(Owner))
            return cursor.execute(_SQL["settled"].encode(), {"seconds": seconds}).fetchall()

    def rotate(self) -> Iterator[Owner]:
        """Wrap every data key anew under the newest master key; yields each that was.

        Row by row, so that it may be killed and run again. Raises WrongMasterKey at the first row
        that no key of ours opens.
        """
        keys, after = self.keys(), ""
        with self._connected() as connection:
            while True:
                cursor = connection.cursor(row_factory=class_row(Sealed))
                asked = {"newest": keys.newest.id, "after": after}
                page = cursor.execute(_SQL["under_other_keys"].encode(), asked).fetchall()
                for row in page:
                    wrapped = sealing.rewrap(keys, row)
                    moved = structs.asdict(wrapped) | {"former": row.wrapped_key}
                    if connection.execute(_SQL["rewrap"].encode(), moved).rowcount:
                        yield Owner(row.secret_id, row.account, row.connector)
                    after = row.secret_id
                if not page:
                    return


def _one(connection: psycopg.Connection[Any], name: str) -> tuple[Any, ...] | None:
    cursor = connection.cursor(row_factory=tuple_row)
    return cursor.execute(_SQL[name].encode()).fetchone()


__all__ = ["Kept", "Owner", "Sealer", "SecretGone", "Vault", "WrongMasterKey"]
