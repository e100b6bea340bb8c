"""Runs the API in this process: builds what it is made of, listens, stops in good order."""

import asyncio
import hmac
import os
import socket
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import uvicorn
from litestar import Litestar
from msgspec import Struct
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from adapters import collector
from adapters.lake.attach import place_for_reading
from adapters.lake.reading import LakeReader
from adapters.lake.sandbox import sandbox_of
from adapters.master_key import master_key
from adapters.postgres.connect import API_WRITER_OPTIONS, READER_OPTIONS, RECONNECT_SECONDS
from adapters.postgres.log import PostgresLog
from adapters.settings import Settings
from adapters.values import BadSetting
from adapters.vault.vault import Sealer
from adapters.venues.registry import PAPER
from api.accounts.asking import Asking
from api.app import create_app
from api.audit.log_tail import LogTail
from api.deps import Deps, Pool, RetryParked
from api.http.wire import SOCKET_MESSAGE_BYTES_MAX, SocketWire, Wire
from api.hub import Hub
from api.market.feeds import Feeds
from api.market.rules import Markets
from api.market.venues import venues_of
from api.sockets.open_sockets import OpenSockets
from commands.committer import Committer, Limits

_POOL_SIZE = 8
_POOL_WAITING_MAX = 2_000
_BACKLOG = 2048
_STOP_SECONDS = 30
_CONNECTIONS_MAX = 4096
_KEEP_ALIVE_SECONDS = 30
_CONNECTION = {
    "autocommit": True,
    # One plan for all filters would be a bad one for most of them.
    "options": f"{READER_OPTIONS} -c timezone=UTC -c plan_cache_mode=force_custom_plan",
    "connect_timeout": 3,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 2,
    "tcp_user_timeout": 5000,
}


def run(settings: Settings, ready_file: Path | None = None) -> None:
    """Serve until SIGINT or SIGTERM; `ready_file` gets the port. BadSetting without a database."""
    deps = build(settings)
    try:
        Server(configured(settings, create_app(deps)), deps, ready_file).run()
    finally:
        deps.committer.close()
        deps.store.close()


def configured(settings: Settings, app: Litestar) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http=Wire,
        ws=SocketWire,
        ws_max_size=SOCKET_MESSAGE_BYTES_MAX,
        ws_ping_interval=None,  # A client that pauses is no dead one; see api/outlet.py.
        ws_per_message_deflate=False,
        lifespan="on",
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
        backlog=_BACKLOG,
        limit_concurrency=_CONNECTIONS_MAX,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_STOP_SECONDS,
        log_config=None,
    )


class Server(uvicorn.Server):
    """Says in a file that it listens, and where; its streams do not hold up its end."""

    def __init__(self, config: uvicorn.Config, deps: Deps, ready_file: Path | None = None) -> None:
        super().__init__(config)
        self._deps = deps
        self._ready_file = ready_file

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        collector.calm()
        await super().startup(sockets)
        if self._ready_file is not None and self.started:
            port = self.servers[0].sockets[0].getsockname()[1]
            draft = self._ready_file.with_suffix(".new")
            with os.fdopen(
                os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w"
            ) as file:
                file.write(str(port))
            draft.replace(self._ready_file)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._deps.tail.end()
        await self._deps.sockets.end()
        await super().shutdown(sockets)


def build(settings: Settings) -> Deps:
    """Connects to nothing yet, so it works while Postgres is away."""
    dsn = settings.database_url
    if dsn is None:
        raise BadSetting(
            "DATABASE_URL",
            "the API alone needs a database that runs already. Give its address, or use "
            "`aviary serve`, which runs everything",
        )
    store = PostgresLog(dsn, API_WRITER_OPTIONS)
    committer = Committer(
        store,
        limits=Limits(batch_max=settings.batch_max, in_flight_max=settings.in_flight_max),
        code_version=version("aviary"),
    )
    venues = venues_of(settings)
    return Deps(
        settings=settings,
        committer=committer,
        store=store,
        pool=reader_pool(dsn),
        hub=Hub(dsn),
        tail=LogTail(dsn),
        asking=Asking(dsn),
        venues=venues,
        markets=Markets(venues, [PAPER] if settings.paper_url is not None else []),
        sealer=Sealer(dsn, settings),
        lake=LakeReader(place_for_reading(settings)),
        sandbox=sandbox_of(settings),
        hash_key=hmac.digest(master_key(settings), b"request hash", "sha256"),
        feeds=Feeds(
            venues,
            idle_seconds=settings.market_data_feed_timeout,
            cleanup_seconds=settings.market_data_cleanup_interval,
            feeds_max=settings.feeds_max,
        ),
        sockets=OpenSockets(settings.sockets_max),
        retry_parked=_retrier(dsn),
        version=version("aviary"),
    )


def reader_pool(dsn: str) -> Pool:
    return AsyncConnectionPool[AsyncConnection[Any]](
        dsn,
        min_size=_POOL_SIZE,
        max_size=_POOL_SIZE,
        max_waiting=_POOL_WAITING_MAX,
        kwargs=_CONNECTION,
        reconnect_timeout=RECONNECT_SECONDS,
        open=False,
    )


def _retrier(dsn: str) -> RetryParked:
    """Parked keys are folded by the workers' code, with its rights, in a thread."""

    async def retry(projection: str | None, key: str | None) -> Sequence[Struct]:
        from workers.projecting.parked import retry_parked

        return await asyncio.to_thread(retry_parked, dsn, projection, key)

    return retry
