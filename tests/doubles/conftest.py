"""A client of the Binance double with an account named after the test."""

from collections.abc import Iterator

import pytest

from tests.doubles.binance_client import RawClient
from tests.doubles.binance_process import BinanceProcess
from tests.doubles.binance_stage import Stage


@pytest.fixture
def account(request: pytest.FixtureRequest) -> str:
    return str(request.node.name)


@pytest.fixture
def spot(binance_double: BinanceProcess, account: str) -> Iterator[RawClient]:
    key, secret = binance_double.new_account(account)
    with RawClient(binance_double.url, key, secret) as client:
        yield client


@pytest.fixture
def futures(binance_double: BinanceProcess, account: str) -> Iterator[RawClient]:
    key, secret = binance_double.new_account(account)
    with RawClient(binance_double.url, key, secret, "futures") as client:
        yield client


@pytest.fixture(autouse=True)
def fresh_market(binance_double: BinanceProcess) -> None:
    """Tests move the books that they share."""
    binance_double.control("reset")


@pytest.fixture
def stage(binance_double: BinanceProcess, account: str) -> Iterator[Stage]:
    made = Stage(binance_double, account, "spot")
    with made.client:
        yield made


@pytest.fixture
def futures_stage(binance_double: BinanceProcess, account: str) -> Iterator[Stage]:
    made = Stage(binance_double, account, "futures")
    with made.client:
        yield made
