"""Destroys what the log wants no more: whoever should have done so may have been killed before.

That is: credentials of accounts that are deleted, and sealed secrets that no credential names,
because another took their place, they were refused or deleted, or never got into the log.
"""

import asyncio
import logging

from adapters.postgres.connect import READER_OPTIONS, connect_async
from adapters.postgres.log import PostgresLog
from adapters.vault.vault import Owner, Vault
from commands.committer import Committer
from commands.crashpoint import crashpoint
from commands.folding import fold
from commands.request import from_worker
from domain import account, credential
from domain.credential import DeleteCredential
from projections import queries

_log = logging.getLogger(__name__)
SWEEP_SECONDS = 30.0
SETTLED_SECONDS = 600.0
"""A secret is sealed before the command that names it, which is decided within 20 s."""
_LEFT_OVER = queries.load("credentials")["left_over"]


async def sweep(
    dsn: str, store: PostgresLog, committer: Committer, vault: Vault, settled_seconds: float
) -> int:
    """Answer how many secrets were destroyed. May be killed at any line, and run twice."""
    async with await connect_async(dsn, READER_OPTIONS) as connection:
        left_over = await (await connection.execute(_LEFT_OVER.encode())).fetchall()
    for name, connector, generation in left_over:
        stream = credential.stream(name, connector)
        await committer.submit(
            from_worker(
                "sweeper",
                stream,
                DeleteCredential(name, connector, generation),
                correlation_id=f"{stream}/{generation}",
            )
        )
        crashpoint("sweep-after-delete")
    return await asyncio.to_thread(_destroy_unnamed, store, vault, settled_seconds)


def _destroy_unnamed(store: PostgresLog, vault: Vault, settled_seconds: float) -> int:
    unnamed = [
        owner.secret_id for owner in vault.settled(settled_seconds) if not _is_named(store, owner)
    ]
    crashpoint("sweep-before-destroy")
    destroyed = vault.destroy(unnamed)
    if destroyed:
        _log.info("%d sealed secrets that no credential names were destroyed", destroyed)
    return destroyed


def _is_named(store: PostgresLog, owner: Owner) -> bool:
    """Asked of the log itself: read models may be behind it."""
    _, found = fold(store, credential.stream(owner.account, owner.connector))
    _, whose = fold(store, account.stream(owner.account))
    if not whose.is_open or whose.generation != found.generation:
        return False
    return owner.secret_id in (found.offered, found.secret_id)
