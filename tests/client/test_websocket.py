"""The client's WebSocket of market data, on both of its paths, through three connectors."""

import asyncio
import inspect
from typing import Any

import pytest
from hummingbot_api_client.ws import MarketDataWebSocket

from tests.client.shapes import CANDLE, Literally, Number, check
from tests.client.stand import Ground, Play, Stand, place, settled

pytestmark = pytest.mark.postgres

PATHS = ("/ws/market-data", "/market-data/stream")
FRAMES: dict[str, Any] = {
    "candles": [CANDLE],
    "candle_update": CANDLE,
    "order_book": {"bids": [[Number]], "asks": [[Number]]},
    "trades": [
        {
            "timestamp": Number,
            "price": Number,
            "amount": Number,
            "side": (Literally("buy"), Literally("sell")),
        }
    ],
}
CALLED = {
    "subscribe_candles",
    "subscribe_order_book",
    "subscribe_trades",
    "unsubscribe",
    "ping",
    "receive",
    "close",
}


def test_no_method_of_the_websocket_is_left_out() -> None:
    methods = {
        name
        for name, _ in inspect.getmembers(MarketDataWebSocket, inspect.iscoroutinefunction)
        if not name.startswith("_")
    }
    assert methods == CALLED


@pytest.mark.parametrize("path", PATHS)
def test_it_tells_books_trades_and_candles(stand: Stand, ground: Ground, path: str) -> None:
    async def scene(client: Any) -> None:
        at = Play(stand, client, ground)
        socket = await client.ws._connect_ws(path, MarketDataWebSocket)  # noqa: SLF001 - the client names one path only
        assert socket.connection_id
        about = f"{ground.connector}_{ground.pair}"
        ids = {
            await socket.subscribe_order_book(
                ground.connector, ground.pair, depth=5, update_interval=0.25
            ): f"order_book_{about}",
            await socket.subscribe_trades(
                ground.connector, ground.pair, update_interval=0.25
            ): f"trades_{about}",
            await socket.subscribe_candles(
                ground.connector, ground.pair, "1m", max_records=5, update_interval=0.25
            ): f"candles_{about}_1m",
        }
        assert list(ids) == list(ids.values())
        trading = asyncio.create_task(_trade(at))
        seen = await _hear(socket, {"order_book", "trades", "candles", "candle_update"})
        trading.cancel()
        for kind, frame in seen.items():
            check(frame, {"subscription_id": str, "data": FRAMES[kind], "timestamp": Number})
            assert frame["subscription_id"] in ids
        book = seen["order_book"]["data"]
        assert len(book["bids"]) <= 5
        assert book["bids"][0][0] < book["asks"][0][0]
        for subscription in ids:
            await socket.unsubscribe(subscription)
        await socket.close()
        assert socket.closed

    stand.play(scene)


def test_a_quiet_connection_answers_what_it_is_told(stand: Stand) -> None:
    """The client takes the next frame for the answer: on a busy one it may be an older frame."""

    async def scene(client: Any) -> None:
        async with client.ws.market_data() as socket:
            check(await socket.ping(), {"type": Literally("pong"), "timestamp": Number})
            with pytest.raises(RuntimeError, match="Unsubscribe failed"):
                await socket.unsubscribe("nothing")
            check(await socket.ping(), {"type": Literally("pong")})

    stand.play(scene)


def test_an_unknown_pair_or_connector_is_said_and_the_connection_stays(
    stand: Stand, ground: Ground
) -> None:
    async def scene(client: Any) -> None:
        async with client.ws.market_data() as socket:
            with pytest.raises(RuntimeError, match="Subscribe failed"):
                await socket.subscribe_trades("no_such_connector", ground.pair)
            check(await socket.ping(), {"type": Literally("pong")})
            assert await socket.subscribe_trades(ground.connector, ground.pair)

    stand.play(scene)


def test_a_wrong_login_is_told_so(stand: Stand) -> None:
    async def scene(client: Any) -> None:
        client.ws._password = "another"  # noqa: SLF001 - the client has no other way to be wrong
        client._session._default_auth = None  # noqa: SLF001 - its header would still be right
        with pytest.raises(RuntimeError, match="WebSocket auth failed: Authentication failed"):
            async with client.ws.market_data():
                pass

    stand.play(scene)


async def _hear(socket: Any, wanted: set[str]) -> dict[str, dict[str, Any]]:
    """The last frame of each kind, once all kinds were heard."""
    seen: dict[str, dict[str, Any]] = {}
    while not wanted <= set(seen):
        frame = await socket.receive()
        if frame["type"] != "heartbeat":
            assert frame["type"] in wanted, frame
            seen[frame["type"]] = frame
    return seen


async def _trade(at: Play) -> None:
    """One market order after another: each is a public trade and changes the book."""
    while True:
        placed = await place(at.client, at.ground, order_type="MARKET", price=None)
        await settled(at.client, placed["order_id"], "FILLED")
