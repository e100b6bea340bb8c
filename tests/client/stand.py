"""A real `aviary serve` beside the Binance double, and the connectors that tests go through."""

import asyncio
import contextlib
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from aiohttp import ClientResponseError
from hummingbot_api_client import HummingbotAPIClient

from tests.doubles.binance_process import BinanceProcess
from tests.faults.processes import Process, until
from tests.ports import free_port
from tests.postgres_fixture import Database

USER, PASSWORD = "tester", "correct horse"
_START_SECONDS = 120.0
_SCENE_SECONDS = 180.0
CLIENTS_OWN_WARNINGS = ("BasicAuth is deprecated", "The 'auth' parameter is deprecated")
_WAIT_SECONDS = 60.0
_POLL_SECONDS = 0.05


class Ground(NamedTuple):
    """Where a test trades, and prices and amounts that are good there."""

    connector: str
    account: str
    pair: str
    symbol: str
    """The double's name of the pair; empty at paper."""
    market: str
    amount: float
    far_price: float
    """A BUY at it rests."""

    @property
    def is_perpetual(self) -> bool:
        return self.market == "futures"


GROUNDS = {
    "paper": Ground("paper", "master_account", "EUR-USD", "", "", 100.0, 0.9),
    "binance": Ground("binance", "spot_trader", "BTC-USDT", "BTCUSDT", "spot", 0.01, 50_000.0),
    "binance_perpetual": Ground(
        "binance_perpetual", "future_trader", "BTC-USDT", "BTCUSDT", "futures", 0.01, 50_000.0
    ),
}


class Stand:
    def __init__(self, folder: Path, database: Database, exchange: BinanceProcess) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.exchange = exchange
        environment = {
            "AVIARY_DATA_DIR": str(folder / "data"),
            "AVIARY_PORT": str(port),
            "AVIARY_RECONCILE_SECONDS": "1",
            "DATABASE_URL": database.app_dsn,
            "AVIARY_MIGRATE_DATABASE_URL": database.owner_dsn,
            "USERNAME": USER,
            "PASSWORD": PASSWORD,
            "CONFIG_PASSWORD": "a master password for tests",
            "VENUE_URL_BINANCE": exchange.url,
            "VENUE_URL_BINANCE_PERPETUAL": exchange.url,
        }
        self.process = Process("serve", ["aviary", "serve"], environment, folder)
        self.process.start()
        try:
            until(self._is_ready, "aviary serve is ready", _START_SECONDS)
        except BaseException:
            self.process.kill()
            raise

    @contextlib.asynccontextmanager
    async def client(self) -> AsyncIterator[Any]:
        async with HummingbotAPIClient(self.url, USER, PASSWORD) as client:
            yield client

    def play(self, scene: Callable[[Any], Awaitable[None]]) -> None:
        """Run a scene with a client of its own, for some minutes at most."""

        async def with_client() -> None:
            async with self.client() as client:
                await asyncio.wait_for(scene(client), _SCENE_SECONDS)

        with warnings.catch_warnings():
            for text in CLIENTS_OWN_WARNINGS:
                warnings.filterwarnings("ignore", text, DeprecationWarning)
            try:
                asyncio.run(with_client())
            except Exception as error:
                error.add_note(self.process.log.read_text()[-1_500:])
                raise

    async def control(self, name: str, **body: Any) -> Any:
        """A control route of the double."""
        return await asyncio.to_thread(lambda: self.exchange.control(name, **body))

    def credential(self, ground: Ground, **options: Any) -> dict[str, str]:
        """The fields that the connector asks for, of a key at the double; none at paper."""
        if not ground.symbol:
            return {}
        key, secret = self.exchange.new_account(ground.account, **options)
        return {f"{ground.connector}_api_key": key, f"{ground.connector}_api_secret": secret}

    def admit(self, ground: Ground) -> None:
        """Make the account with a credential, if it is not the seeded one, and load the rules.

        An order of a connector whose rules nobody has asked for yet may be told to come again.
        """

        async def scene(client: Any) -> None:
            if ground.symbol:
                await client.accounts.add_account(ground.account)
                fields = self.credential(ground)
                await client.accounts.add_credential(ground.account, ground.connector, fields)
            await client.connectors.get_trading_rules(ground.connector)

        self.play(scene)

    def _is_ready(self) -> bool:
        code = self.process.poll()
        assert code is None, f"ended with {code}: {self.process.log.read_text()[-3_000:]}"
        try:
            with urlopen(f"{self.url}/ready", timeout=30) as answer:  # noqa: S310 - loopback
                return bool(answer.status == 200)
        except HTTPError as error:
            error.close()
            return False
        except (URLError, OSError):
            return False


@contextlib.contextmanager
def standing(folder: Path, database: Database, exchange: BinanceProcess) -> Iterator[Stand]:
    stand = Stand(folder, database, exchange)
    try:
        yield stand
    finally:
        stand.process.stop()
        stand.process.kill()


async def eventually(
    ask: Callable[[], Awaitable[Any]], holds: Callable[[Any], bool], what: str
) -> Any:
    """Ask until it holds, and answer that; read models follow the log a moment later."""
    deadline = asyncio.get_running_loop().time() + _WAIT_SECONDS
    while True:
        answer = await ask()
        if holds(answer):
            return answer
        assert asyncio.get_running_loop().time() < deadline, f"{what}: not yet, but {answer!r}"
        await asyncio.sleep(_POLL_SECONDS)


async def listed(ask: Callable[[], Awaitable[list[str]]], *, is_so: bool, name: str) -> None:
    """Until the list has the name, or has it no more: what was changed is in it 2 s later at most
    where the machine is not too busy.
    """
    await eventually(ask, lambda names: (name in names) is is_so, f"{name} is listed: {is_so}")


async def answered(ask: Callable[[], Awaitable[Any]]) -> Any:
    """The answer to what only a worker can tell; one that is busy is asked again, as it says."""
    deadline = asyncio.get_running_loop().time() + _WAIT_SECONDS
    while True:
        try:
            return await ask()
        except ClientResponseError as error:
            if error.status != 503 or asyncio.get_running_loop().time() > deadline:
                raise
        await asyncio.sleep(_POLL_SECONDS)


async def place(client: Any, ground: Ground, **fields: Any) -> dict[str, Any]:
    """A LIMIT BUY that rests, but for what the fields say."""
    order: Mapping[str, Any] = {
        "account_name": ground.account,
        "connector_name": ground.connector,
        "trading_pair": ground.pair,
        "trade_type": "BUY",
        "amount": ground.amount,
        "order_type": "LIMIT",
        "price": ground.far_price,
    } | fields
    placed: dict[str, Any] = await client.trading.place_order(**order)
    return placed


async def settled(client: Any, order_id: str, *statuses: str) -> dict[str, Any]:
    """The order's row once it has one of these statuses."""

    async def ask() -> dict[str, Any]:
        found = (await client.trading.search_orders(limit=1_000))["data"]
        rows = [row for row in found if row["order_id"] == order_id]
        return rows[0] if rows else {}

    answer: dict[str, Any] = await eventually(
        ask, lambda row: row.get("status") in statuses, f"{order_id} is {statuses}"
    )
    return answer


class Play(NamedTuple):
    """What a scene has: the installation, a client of its own, and where it trades."""

    stand: Stand
    client: Any
    ground: Ground


Scene = Callable[[Play], Awaitable[None]]
