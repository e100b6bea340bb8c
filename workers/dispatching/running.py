"""The dispatcher as a worker: the venues and the vault that it reaches, and its limits."""

import asyncio
import functools
from collections.abc import Mapping

from adapters.settings import Settings
from adapters.vault.vault import Vault
from adapters.venues.registry import private_venue
from commands.committer import Committer
from workers.dispatching.context import Outside
from workers.dispatching.dispatcher import Dispatcher
from workers.dispatching.dispatcher_limits import DispatcherLimits
from workers.running.pulse import Pulse


async def run_dispatcher(
    settings: Settings, dsn: str, committer: Committer, pulse: Pulse, stopping: asyncio.Event
) -> None:
    limits = DispatcherLimits(
        window_seconds=settings.send_window_seconds,
        lease_seconds=settings.lease_seconds,
        funding_seconds=settings.funding_seconds,
        portfolio_seconds=60 * settings.account_update_interval,
    )
    outside = _outside(settings, dsn)
    await Dispatcher(dsn, committer, outside, pulse, limits).run(stopping)


def _outside(settings: Settings, dsn: str) -> Outside:
    """The venues and the vault, as dispatchers reach them."""
    vault = Vault(dsn, settings)

    async def open_secret(secret_id: str) -> Mapping[str, str]:
        return (await asyncio.to_thread(vault.open, secret_id)).texts()

    return Outside(functools.partial(private_venue, settings), open_secret, settings)
