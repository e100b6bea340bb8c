"""Binance's double, once for each of its connectors and module."""

from collections.abc import Iterator

import pytest

from tests.doubles.binance_process import running
from tests.venues.binance_house import BinanceHouse


@pytest.fixture(scope="module", params=["binance", "binance_perpetual"])
def house(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[BinanceHouse]:
    with running(tmp_path_factory.mktemp("binance")) as process:
        yield BinanceHouse(process, request.param)
