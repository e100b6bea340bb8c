"""One `aviary serve` with paper and the Binance double for all tests of this folder."""

from collections.abc import Callable, Iterator

import pytest

from tests.client.stand import GROUNDS, Ground, Stand, standing
from tests.doubles.binance_process import BinanceProcess, running
from tests.postgres_fixture import Database


@pytest.fixture(scope="session")
def own_double(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BinanceProcess]:
    with running(tmp_path_factory.mktemp("client-binance")) as process:
        yield process


@pytest.fixture(scope="session")
def stand(
    tmp_path_factory: pytest.TempPathFactory,
    database: Callable[..., Database],
    own_double: BinanceProcess,
) -> Iterator[Stand]:
    with standing(tmp_path_factory.mktemp("client"), database(), own_double) as made:
        for ground in GROUNDS.values():
            made.admit(ground)
        yield made


@pytest.fixture(params=sorted(GROUNDS))
def ground(request: pytest.FixtureRequest) -> Ground:
    return GROUNDS[request.param]
