"""Market streams on the raw wire."""

import asyncio
from typing import Any

import pytest

from tests.doubles.binance_stage import Stage, play, replied, told


@pytest.mark.parametrize(("market", "path"), [("spot", "/ws"), ("futures", "/public/ws")])
def test_depth_differences_follow_on_each_other_and_on_the_snapshot(
    stage: Stage, market: str, path: str
) -> None:
    prefix = "/api/v3" if market == "spot" else "/fapi/v1"

    async def scene() -> None:
        async with stage.socket(path) as socket:
            stream = "btcusdt@depth@100ms"
            await socket.send_json({"method": "SUBSCRIBE", "params": [stream], "id": 1})
            assert await told(socket) == {"result": None, "id": 1}
            book = await asyncio.to_thread(
                lambda: stage.client.send(
                    "GET", f"{prefix}/depth", {"symbol": "BTCUSDT", "limit": 100}
                ).json()
            )
            sides = {"b": dict(book["bids"]), "a": dict(book["asks"])}
            last = book["lastUpdateId"]
            for price in ("60050", "60100", "59900"):
                await stage.control("price", symbol="BTCUSDT", price=price, market=market)
                message = await told(socket)
                assert message["U"] == last + 1
                assert market == "spot" or message["pu"] == last
                last = message["u"]
                for side, levels in sides.items():
                    levels.update(message[side])
            again = await asyncio.to_thread(
                lambda: stage.client.send(
                    "GET", f"{prefix}/depth", {"symbol": "BTCUSDT", "limit": 100}
                ).json()
            )
            assert again["lastUpdateId"] == last
            for side, name in (("b", "bids"), ("a", "asks")):
                kept = {price: held for price, held in sides[side].items() if float(held)}
                assert kept == dict(again[name])

    play(scene)


def test_combined_streams_name_what_they_tell(stage: Stage) -> None:
    async def scene() -> None:
        names = "btcusdt@trade/btcusdt@aggTrade/btcusdt@depth5@100ms/btcusdt@bookTicker"
        async with stage.socket(f"/stream?streams={names}") as socket:
            await stage.control("print", symbol="BTCUSDT", quantity="0.5", price="60001")
            await stage.control("price", symbol="BTCUSDT", price="60100", market="spot")
            seen: dict[str, Any] = {}
            while len(seen) < 4:
                message = await told(socket)
                seen[message["stream"].split("@")[1]] = message["data"]
            assert (seen["trade"]["p"], seen["trade"]["q"]) == ("60001.00000000", "0.50000000")
            assert seen["aggTrade"]["a"] == seen["trade"]["t"]
            assert seen["depth5"]["bids"][0] == ["60094.00000000", "5.00000000"]
            assert seen["bookTicker"]["a"] == "60106.00000000"

    play(scene)


def test_tickers_candles_and_marks_come_by_themselves(stage: Stage) -> None:
    async def scene() -> None:
        wanted = ["btcusdt@ticker", "btcusdt@kline_1m", "btcusdt@markPrice@1s"]
        async with stage.socket("/market/ws/0") as socket:
            await socket.send_json({"method": "SUBSCRIBE", "params": wanted, "id": 7})
            assert (await told(socket))["id"] == 7
            seen = {(await told(socket))["e"] for _ in wanted}
            assert seen == {"24hrTicker", "kline", "markPriceUpdate"}
            await socket.send_json({"method": "LIST_SUBSCRIPTIONS", "id": 8})
            assert sorted(wanted) == (await replied(socket))["result"]
            await socket.send_json({"method": "UNSUBSCRIBE", "params": wanted, "id": 9})
            assert await replied(socket) == {"result": None, "id": 9}
            await socket.send_json({"method": "SING", "id": 10})
            assert (await told(socket))["error"]["code"] == 2
            await socket.send_str("{")
            assert (await told(socket))["error"]["code"] == 3

    play(scene)


def test_a_book_with_a_life_of_its_own_keeps_moving(stage: Stage) -> None:
    async def scene() -> None:
        async with stage.socket("/ws/ethusdt@trade") as socket:
            await stage.control("life", symbol="ETHUSDT", per_second=200)
            ids = [(await told(socket))["t"] for _ in range(20)]
            assert ids == sorted(set(ids))
            await stage.control("life", symbol="ETHUSDT", per_second=0)

    play(scene)
