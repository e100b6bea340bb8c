"""What the API is made of: handed to the app factory, read by handlers."""

from asyncio import Semaphore
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, cast

from litestar.connection import ASGIConnection
from msgspec import Struct, field
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from adapters.lake.reading import LakeReader
from adapters.lake.sandbox import Sandbox
from adapters.settings import Settings
from adapters.vault.vault import Sealer
from api.accounts.asking import Asking
from api.audit.log_tail import LogTail
from api.hub import Hub
from api.market.feeds import Feeds
from api.market.rules import Markets
from api.market.venues import Venues
from api.sockets.open_sockets import OpenSockets
from commands.committer import Committer
from commands.store import Store

Pool = AsyncConnectionPool[AsyncConnection[Any]]
PAST_READS_MAX = 2
RetryParked = Callable[[str | None, str | None], Awaitable[Sequence[Struct]]]
"""Projection and key, None for all; answers what became of each."""


class Deps(Struct, frozen=True, kw_only=True):
    settings: Settings
    committer: Committer
    store: Store
    pool: Pool
    """Of reader connections; opened and closed by the app."""
    hub: Hub
    tail: LogTail
    asking: Asking
    venues: Venues
    """The public sides of venues."""
    markets: Markets
    feeds: Feeds
    sockets: OpenSockets
    sealer: Sealer
    lake: LakeReader
    """Raises LakeUnavailable where there is none; the app closes it."""
    sandbox: Sandbox
    """Where queries of analysts run."""
    hash_key: bytes
    """The same after every restart, or a repeated request would look like another one."""
    retry_parked: RetryParked
    past_reads: Semaphore = field(default_factory=partial(Semaphore, PAST_READS_MAX))
    """Each holds a connection of the pool for as long as it folds; the pool is everybody's."""
    version: str = ""


class Caller(Struct, frozen=True):
    """Who makes a request, and what it may do."""

    name: str
    scopes: frozenset[str]


def deps_of(request: ASGIConnection[Any, Any, Any, Any]) -> Deps:
    return cast("Deps", request.app.state.deps)
