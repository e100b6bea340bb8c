"""The unmodified client package on its socket of market data."""

import asyncio

import pytest
from hummingbot_api_client import HummingbotAPIClient

from tests.sockets.served import PAIR, PASSWORD, USER, Served

# The client package uses what its own HTTP library has deprecated.
pytestmark = [
    pytest.mark.postgres,
    pytest.mark.filterwarnings("ignore::DeprecationWarning:hummingbot_api_client"),
    pytest.mark.filterwarnings("ignore:The .auth. parameter:DeprecationWarning"),
]


@pytest.mark.usefixtures("quiet")
def test_the_client_package_subscribes_to_everything_and_hears_it(served: Served) -> None:
    async def scenario() -> None:
        async with (
            HummingbotAPIClient(served.url, USER, PASSWORD) as client,
            client.ws.market_data() as socket,
        ):
            assert socket.connection_id
            names = [
                await socket.subscribe_candles("paper", PAIR, max_records=3, update_interval=0.25),
                await socket.subscribe_order_book("paper", PAIR, depth=5, update_interval=0.25),
                await socket.subscribe_trades("paper", PAIR, update_interval=0.25),
            ]
            assert names == [
                f"candles_paper_{PAIR}_1m",
                f"order_book_paper_{PAIR}",
                f"trades_paper_{PAIR}",
            ]
            assert (await socket.ping())["type"] == "pong"
            heard = set()
            async with asyncio.timeout(60):
                async for frame in socket:
                    heard.add(frame["type"])
                    if heard >= {"candles", "candle_update", "order_book", "trades"}:
                        break

    asyncio.run(scenario())


def test_the_client_package_is_told_that_there_is_no_such_connector(served: Served) -> None:
    async def scenario() -> None:
        async with (
            HummingbotAPIClient(served.url, USER, PASSWORD) as client,
            client.ws.market_data() as socket,
        ):
            with pytest.raises(RuntimeError, match="no connector 'nowhere'"):
                await socket.subscribe_trades("nowhere", PAIR)

    asyncio.run(scenario())


def test_the_client_package_is_told_that_it_may_not(served: Served) -> None:
    async def scenario() -> None:
        async with HummingbotAPIClient(served.url, USER, "wrong") as client:
            with pytest.raises(RuntimeError, match="Authentication failed"):
                await client.ws.market_data().__aenter__()

    asyncio.run(scenario())


def test_the_client_package_sees_the_feeds_by_http(served: Served) -> None:
    async def scenario() -> None:
        async with HummingbotAPIClient(served.url, USER, PASSWORD) as client:
            added = await client.market_data.add_trading_pair("paper", PAIR)
            assert added["success"] is True
            assert f"order_book_paper_{PAIR}" in await client.market_data.get_active_feeds()
            seen = await client.market_data.get_order_book_diagnostics("paper")
            assert (seen["tracker_ready"], seen["trading_pairs"]) == (True, [PAIR])
            again = await client.market_data.restart_order_book_tracker("paper")
            assert (again["success"], again["trading_pairs"]) == (True, [PAIR])
            assert (await client.market_data.remove_trading_pair("paper", PAIR))["success"] is True
            gone = await client.market_data.remove_trading_pair("paper", PAIR)
            assert gone["success"] is False

    asyncio.run(scenario())
