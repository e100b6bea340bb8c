"""The API's side of the vault: secrets go in, are destroyed, and are never read.

Sealing comes before the command that names the secret, destroying after the one that ends it; what
is left between the two, because this process was killed, is swept by a worker.
"""

import hashlib
import logging
from collections.abc import Iterable

import psycopg

from adapters.values import BadSetting
from adapters.vault.fields import Fields
from adapters.vault.sealing import WrongMasterKey
from api.accounts.checking import secrets_named
from api.deps import Deps
from api.reading import in_thread
from api.submitting import Intent, failed
from domain.credential import OfferCredential
from domain.log import StoreUnavailable

_log = logging.getLogger(__name__)
_ID_LENGTH = 32


def secret_id_of(intended: Intent) -> str:
    """A function of the request: repeated it names the same secret, and another body another."""
    digest = hashlib.sha256(intended.command_id.encode() + intended.digest)
    return digest.hexdigest()[:_ID_LENGTH]


async def seal(deps: Deps, intended: Intent, command: OfferCredential, fields: Fields) -> None:
    """Raise Failure 503 where this process has not the right master key."""
    try:
        await in_thread(
            deps.sealer.seal, command.secret_id, command.account, command.connector, fields
        )
    except (WrongMasterKey, BadSetting) as error:
        _log.error("Nothing can be sealed: %s", error)
        raise failed(intended, 503, str(error), "wrong_master_key") from None


async def destroy(deps: Deps, secret_ids: Iterable[str]) -> None:
    """Now if the store answers, by the sweep otherwise: the log has decided already."""
    try:
        await in_thread(deps.sealer.destroy, [name for name in secret_ids if name])
    except (psycopg.Error, StoreUnavailable) as error:
        _log.warning("Secrets wait for the sweep to be destroyed: %s", error)


async def destroy_unnamed(deps: Deps, stream: str) -> None:
    """Destroy every secret of a credential's stream that is not needed any more."""
    try:
        secret_ids = await in_thread(secrets_named, deps.store, stream)
    except StoreUnavailable as error:
        _log.warning("Secrets of %s wait for the sweep to be destroyed: %s", stream, error)
        return
    await destroy(deps, secret_ids)
