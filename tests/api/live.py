"""A real server on a free port, in a thread, with its own log; and a client that speaks to it."""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import psycopg
import uvicorn
from litestar import Litestar
from msgspec import structs

from adapters.settings import Settings
from adapters.venues.market_port import PublicVenue
from adapters.venues.port import TradingRule
from api import serve
from api.app import create_app
from api.deps import Deps
from api.http.wire import Wire
from api.market.feeds import Feeds
from api.market.rules import Markets
from api.market.venues import Venues
from commands.request import Command, Outcome
from commands.request import Request as CommandRequest
from tests.market.scripted import ScriptedVenue
from tests.postgres_fixture import Database
from tests.tls import TLS
from workers.projecting.projector import catch_up

USER, PASSWORD = "tester", "correct horse"
EUR_USD = TradingRule(
    pair="EUR-USD",
    base="EUR",
    quote="USD",
    tick=Decimal("0.0001"),
    lot=Decimal("0.1"),
    quantity_min=Decimal(1),
    quantity_max=Decimal(1_000_000),
    notional_min=Decimal(5),
    order_types=("LIMIT", "MARKET", "LIMIT_MAKER"),
)
ORDER: Mapping[str, Any] = {
    "account_name": "master_account",
    "connector_name": "paper",
    "trading_pair": "EUR-USD",
    "trade_type": "BUY",
    "amount": 100,
    "order_type": "LIMIT",
    "price": "1.05",
}


class Live:
    """The app, its address, its client (logged in) and its log."""

    def __init__(self, database: Database, deps: Deps, app: Litestar, port: int) -> None:
        self.database = database
        self.deps = deps
        self.app = app
        self.url = f"http://127.0.0.1:{port}"
        self.client = self.connect((USER, PASSWORD))

    def connect(self, auth: tuple[str, str] | None = None, token: str = "") -> httpx.Client:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx.Client(base_url=self.url, auth=auth, headers=headers, timeout=30, verify=TLS)

    def place(self, **fields: Any) -> httpx.Response:
        headers = fields.pop("headers", {})
        return self.client.post("/trading/orders", json={**ORDER, **fields}, headers=headers)

    def placed(self, **fields: Any) -> str:
        answer = self.place(**fields)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["order_id"])

    def project(self) -> int:
        """Bring the read models up to date."""
        return catch_up(self.database.app_dsn)

    def execute(self, stream: str, command: Command, name: str) -> Outcome:
        """What a worker would record."""
        return self.deps.committer.execute(
            CommandRequest(
                command_id=name,
                actor="worker:test",
                stream=stream,
                command=command,
                request_hash=name.encode(),
                correlation_id=name,
            )
        )

    def beat(
        self, *names: str, process: str = "p", state: str = "running", seconds: int = 0
    ) -> None:
        """What workers would say of themselves, as if `seconds` from now."""
        for name in names:
            self.sql(
                "insert into workers (name, process, state, position, detail, alive_at) values "
                """(%s, %s, %s, 1, '{"venue_calls": 3, "note": "x"}', """
                "now() + make_interval(secs => %s))",
                name,
                process,
                state,
                seconds,
            )

    def head(self) -> int:
        return self.deps.store.head().position

    def sql(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.database.owner_dsn, autocommit=True) as connection:
            cursor = connection.execute(query.encode(), parameters)
            return cursor.fetchall() if cursor.description else []


@contextmanager
def running(
    database: Database,
    folder: Path,
    venues: Mapping[str, PublicVenue] | None = None,
    **changed: Any,
) -> Iterator[Live]:
    own: dict[str, Any] = {"username": USER, "password": PASSWORD, "data_dir": folder}
    settings = Settings(**(own | {"database_url": database.app_dsn} | changed))
    deps = scripted(serve.build(settings), venues or {"paper": ScriptedVenue(EUR_USD)})
    app = create_app(deps)
    try:
        with listening(app) as port:
            live = Live(database, deps, app, port)
            with live.client:
                yield live
    finally:
        deps.committer.close()
        deps.store.close()


def scripted(deps: Deps, venues: Mapping[str, PublicVenue]) -> Deps:
    """These are the venues now."""

    async def make(name: str) -> PublicVenue:
        return venues[name]

    made = Venues(make, venues)
    return structs.replace(
        deps,
        venues=made,
        markets=Markets(made, ["paper"]),
        feeds=Feeds(made, idle_seconds=600, cleanup_seconds=300, feeds_max=20),
    )


@contextmanager
def listening(app: Litestar) -> Iterator[int]:
    config = uvicorn.Config(
        app, port=0, loop="uvloop", http=Wire, ws="none", lifespan="on", log_config=None
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    deadline = time.monotonic() + 60
    while not server.started:
        assert thread.is_alive(), "the server ended"
        assert time.monotonic() < deadline, "the server did not start"
        time.sleep(0.005)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()
