"""API keys from the command line: 256 random bits, shown once, stored as their SHA-256."""

import getpass
import hashlib
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.table import Table

from adapters.postgres.connect import READER_OPTIONS, connect
from adapters.postgres.log import PostgresLog
from adapters.settings import Settings
from commands.committer import Committer
from commands.request import Command, Outcome, Request
from domain import actor
from domain.actor import KEY_ID_BYTES, CreateKey, RevokeKey
from domain.refusal import Refused
from workers.running.database import database
from workers.running.processes import make_committer

SECRET_BYTES = 32
DAY_US = 86_400_000_000
PREFIX = "av"


def new_key(name: str, scopes: tuple[str, ...], expires_at_us: int | None) -> tuple[CreateKey, str]:
    """A command that creates a key, and the token that its bearer shows."""
    key_id, secret = secrets.token_hex(KEY_ID_BYTES), secrets.token_hex(SECRET_BYTES)
    digest = hashlib.sha256(secret.encode()).hexdigest()
    command = CreateKey(key_id, name, scopes, digest, expires_at_us)
    return command, f"{PREFIX}_{key_id}_{secret}"


def create(
    settings: Settings, name: str, scopes: tuple[str, ...], days: int | None
) -> tuple[str, str]:
    """Create a key; answers its id and its token. Raises Refused."""
    expires_at_us = None if days is None else time.time_ns() // 1000 + days * DAY_US
    command, token = new_key(name, scopes, expires_at_us)
    with _committer(settings) as committer:
        _accepted(committer, command.key_id, command)
    return command.key_id, token


def revoke(settings: Settings, key_id: str, reason: str) -> None:
    """End a key's rights; raises Refused when there is no such key."""
    with _committer(settings) as committer:
        _accepted(committer, key_id, RevokeKey(key_id, reason))


def table(settings: Settings) -> Table:
    shown = Table("key", "name", "scopes", "state")
    with database(settings) as dsns, connect(dsns.app, READER_OPTIONS, autocommit=True) as reader:
        found = reader.execute(
            """select key, name, scopes, revoked_at_us is not null,
                coalesce(expires_at_us < extract(epoch from now()) * 1000000, false)
            from api_keys order by position"""
        )
        for key_id, name, scopes, is_revoked, is_expired in found:
            state = "revoked" if is_revoked else "expired" if is_expired else "valid"
            shown.add_row(key_id, name, " ".join(scopes), state)
    return shown


@contextmanager
def _committer(settings: Settings) -> Iterator[Committer]:
    with database(settings) as dsns:
        store = PostgresLog(dsns.app)
        committer = make_committer(settings, store)
        try:
            yield committer
        finally:
            committer.close()
            store.close()


def _accepted(committer: Committer, key_id: str, command: Command) -> Outcome:
    command_id = secrets.token_hex(16)
    outcome = committer.execute(
        Request(
            command_id=command_id,
            actor=f"cli:{getpass.getuser()}",
            stream=actor.stream(key_id),
            command=command,
            request_hash=command_id.encode(),
            correlation_id=command_id,
        )
    )
    if outcome.receipt.outcome == "refused":
        raise Refused(outcome.receipt.code or "", outcome.receipt.text or "")
    return outcome
