"""Whether what lies in the vault can be opened with the master keys that this process has."""

from adapters.settings import Settings
from adapters.values import BadSetting
from adapters.vault.vault import Vault


def examine_vault(settings: Settings, dsn: str) -> list[tuple[str, str, bool]]:
    vault = Vault(dsn, settings)
    kept = vault.kept()
    if not kept:
        return [("vault", "holds no secret", True)]
    try:
        known = vault.keys().by_id
        newest = vault.keys().newest.id
    except BadSetting as error:
        return [("vault", str(error), False)]
    closed = [secret for secret in kept if secret.master_key_id not in known]
    old = [secret for secret in kept if secret.master_key_id in known.keys() - {newest}]
    said = f"{len(kept)} secrets, {len(closed)} under a master key that is not given here"
    if old:
        said += f", {len(old)} under an old one (aviary vault rotate)"
    return [("vault", said, not closed)]
