"""A scenario's world with the Binance double for a venue, reached through the real adapter.

The account's keys are put in by HTTP, as anybody would; the double is a process of its own.
"""

import contextlib
from collections.abc import Callable, Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

from tests.doubles.binance_process import BinanceProcess
from tests.faults.clients import HttpClient, Unanswered
from tests.faults.intents import BINANCE, Ground
from tests.faults.ledgers import Ledger, read_binance
from tests.faults.processes import until
from tests.faults.world import World
from tests.postgres_fixture import Database

NAME = "trader"


class BinanceWorld(World):
    ground: Ground = BINANCE

    def __init__(self, folder: Path, database: Database) -> None:
        super().__init__(folder, database)
        (folder / "binance").mkdir()
        self.exchange = BinanceProcess(folder / "binance")
        self.exchange.start()
        self.environment["VENUE_URL_BINANCE"] = self.exchange.url
        del self.environment["AVIARY_PAPER_URL"]

    def ledger(self) -> Ledger:
        return read_binance(self.folder / "binance" / "binance.sqlite", NAME)

    def faults(self, *rules: dict[str, Any]) -> None:
        self.exchange.faults(NAME, *rules)

    def add_credential(self, **options: Any) -> None:
        """Another key to the same money, in force when this returns. Needs the API and workers."""
        key, secret = self.exchange.new_account(NAME, **options)
        client = HttpClient(self.door_port, ground=self.ground)
        path = f"/accounts/add-credential/{self.ground.account}/{self.ground.connector}"
        body = {"binance_api_key": key, "binance_api_secret": secret}
        said: list[Any] = []

        def is_taken() -> bool:
            with contextlib.suppress(Unanswered):
                said.append(client.call("POST", path, body))
            return bool(said) and said[-1].status == HTTPStatus.CREATED

        try:
            until(is_taken, "the credential is accepted", 60.0)
        except AssertionError as error:
            raise AssertionError(f"{error}: {said[-1:]}") from None

    def close(self) -> None:
        for process in self.processes:
            process.kill()
        with contextlib.suppress(AssertionError, ProcessLookupError):
            self.exchange.kill()


@contextlib.contextmanager
def binance_world(
    folder: Path, make: Callable[..., Database], template: Database
) -> Iterator[BinanceWorld]:
    made = BinanceWorld(folder, make(template=template))
    try:
        yield made
    finally:
        made.close()
