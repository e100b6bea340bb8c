"""Credentials from the command line: sealed, offered, and asked after."""

import getpass
import hmac
import secrets
from contextlib import ExitStack
from typing import Self

from adapters.master_key import master_key
from adapters.postgres.connect import READER_OPTIONS, connect
from adapters.postgres.log import PostgresLog
from adapters.settings import Settings
from adapters.vault.fields import Fields
from adapters.vault.vault import Sealer
from adapters.venues.connectors import connectors
from api.accounts.checking import Checked, look
from api.accounts.credential_fields import checked, fingerprint
from api.errors import Failure
from commands.committer import Committer
from commands.request import Request
from domain import credential
from domain.credential import OfferCredential
from projections import queries
from workers.running.database import database
from workers.running.processes import make_committer


class Offering:
    """One account's way into vault and log; a context manager."""

    def __init__(self, settings: Settings, account: str) -> None:
        self._settings = settings
        self._account = account
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        dsns = self._stack.enter_context(database(self._settings))
        self._store = PostgresLog(dsns.app)
        self._stack.callback(self._store.close)
        self._committer: Committer = make_committer(self._settings, self._store)
        self._stack.callback(self._committer.close)
        self._sealer = Sealer(dsns.app, self._settings)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def offer(self, connector: str, fields: Fields) -> str:
        """Answer the secret's id. Raises ValueError saying what is wrong."""
        try:
            fields = checked(connectors()[connector].config_map, fields.values, (connector,))
        except Failure as failure:
            raise ValueError(_sentences(failure)) from None
        secret_id = secrets.token_hex(16)
        self._sealer.seal(secret_id, self._account, connector, fields)
        key = hmac.digest(master_key(self._settings), b"request hash", "sha256")
        command = OfferCredential(self._account, connector, secret_id, fingerprint(key, fields))
        receipt = self._committer.execute(
            Request(
                command_id=secret_id,
                actor=f"cli:{getpass.getuser()}",
                stream=credential.stream(self._account, connector),
                command=command,
                request_hash=secret_id.encode(),
                correlation_id=secret_id,
            )
        ).receipt
        if receipt.outcome == "refused":
            self._sealer.destroy([secret_id])
            raise ValueError(receipt.text or receipt.code or "refused")
        return secret_id

    def outcome(self, connector: str, secret_id: str) -> Checked | None:
        """None while its venue has not been asked."""
        return look(self._store, credential.stream(self._account, connector), secret_id)


def _sentences(failure: Failure) -> str:
    entries = failure.body["detail"]
    assert isinstance(entries, list)  # noqa: S101 - a 422 is FastAPI's list
    return "; ".join(f"{entry['loc'][-1]}: {entry['msg']}" for entry in entries)


def in_force(dsn: str, account: str) -> dict[str, str]:
    """Connector to secret id of every credential of the account that has a secret."""
    with connect(dsn, READER_OPTIONS, autocommit=True) as reader:
        found = reader.execute(queries.load("credentials")["tradable"].encode())
        return {
            connector: secret for name, connector, secret in found if name == account and secret
        }
