"""User and market streams on the raw wire, and the faults of user streams."""

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from tests.doubles.binance_client import RawClient
from tests.doubles.binance_process import BinanceProcess

Socket = aiohttp.ClientWebSocketResponse


class Stage:
    """The exchange, one account's client and its keys."""

    def __init__(self, exchange: BinanceProcess, account: str, market: str) -> None:
        self.exchange = exchange
        self.account = account
        self.key, self.secret = exchange.new_account(account)
        self.client = RawClient(exchange.url, self.key, self.secret, market)

    @asynccontextmanager
    async def socket(self, path: str) -> AsyncIterator[Socket]:
        async with (
            aiohttp.ClientSession(self.exchange.url) as session,
            session.ws_connect(path) as socket,
        ):
            yield socket

    @asynccontextmanager
    async def user_stream(self) -> AsyncIterator[Socket]:
        async with self.socket("/ws-api/v3") as socket:
            answer = await self.log_in(socket)
            assert "subscriptionId" in answer["result"]
            yield socket

    async def log_in(self, socket: Socket, secret: str | None = None) -> dict[str, Any]:
        parameters: dict[str, Any] = {"apiKey": self.key, "timestamp": int(time.time() * 1_000)}
        text = "&".join(f"{name}={parameters[name]}" for name in sorted(parameters))
        key = (secret or self.secret).encode()
        parameters["signature"] = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
        method = "userDataStream.subscribe.signature"
        await socket.send_json({"id": "1", "method": method, "params": parameters})
        return await told(socket)

    async def control(self, name: str, **body: Any) -> Any:
        return await asyncio.to_thread(lambda: self.exchange.control(name, **body))

    async def place(self, name: str, **fields: Any) -> dict[str, Any]:
        return await asyncio.to_thread(lambda: self.client.placed(name, **fields))


async def told(socket: Socket) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(await socket.receive_str(timeout=10))
    return message


async def reports(socket: Socket, count: int) -> list[tuple[str, str, str]]:
    """Execution type, status and cumulative quantity of the next so many execution reports."""
    found: list[tuple[str, str, str]] = []
    while len(found) < count:
        event = (await told(socket))["event"]
        if event["e"] == "executionReport":
            found.append((event["x"], event["X"], event["z"]))
    return found


def play(scene: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        await asyncio.wait_for(scene(), 30)

    asyncio.run(bounded())


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


def test_a_spot_stream_tells_every_step_of_an_order(stage: Stage) -> None:
    async def scene() -> None:
        async with stage.user_stream() as socket:
            await stage.place("steps", quantity="1")
            first = (await told(socket))["event"]
            assert (first["x"], first["c"], first["q"]) == ("NEW", "steps", "1.00000000")
            funds = (await told(socket))["event"]
            assert {row["a"]: row["l"] for row in funds["B"]} == {
                "BTC": "0.00000000",
                "USDT": "50000.00000000",
            }
            await stage.control(
                "fill", account=stage.account, client_order_id="steps", quantity="0.4"
            )
            traded = (await told(socket))["event"]
            assert (traded["x"], traded["l"], traded["L"], traded["n"], traded["N"]) == (
                "TRADE",
                "0.40000000",
                "50000.00000000",
                "0.00040000",
                "BTC",
            )
            assert traded["m"] is True
            await told(socket)
            await asyncio.to_thread(
                lambda: stage.client.call(
                    "DELETE", "order", symbol="BTCUSDT", origClientOrderId="steps"
                )
            )
            cancelled = (await told(socket))["event"]
            assert (cancelled["x"], cancelled["C"]) == ("CANCELED", "steps")
            assert cancelled["c"] != "steps"

    play(scene)


def test_a_wrong_signature_opens_no_stream(stage: Stage) -> None:
    async def scene() -> None:
        async with stage.socket("/ws-api/v3") as socket:
            answer = await stage.log_in(socket, secret="another")
            assert (answer["status"], answer["error"]["code"]) == (400, -1022)

    play(scene)


def test_a_stream_tells_only_its_own_account(stage: Stage) -> None:
    async def scene() -> None:
        other = Stage(stage.exchange, f"{stage.account}-2", "spot")
        with other.client:
            async with stage.user_stream() as socket:
                await other.place("theirs")
                await stage.place("ours")
                assert (await told(socket))["event"]["c"] == "ours"

    play(scene)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("lose_message", ["0.20000000", "0.30000000"]),
        ("duplicate_message", ["0.10000000", "0.10000000", "0.20000000", "0.30000000"]),
        ("reorder_message", ["0.20000000", "0.10000000", "0.30000000"]),
    ],
)
def test_a_stream_may_lose_double_and_reorder(stage: Stage, kind: str, expected: list[str]) -> None:
    async def scene() -> None:
        await stage.place("faulty", quantity="1")
        rules = [
            {"kind": kind, "account": stage.account, "execution": "TRADE"},
            {"kind": "lose_message", "message": "outbound*", "times": None}
            | {"account": stage.account},
        ]
        await stage.control("faults", rules=rules)
        async with stage.user_stream() as socket:
            await stage.control(
                "fill", account=stage.account, client_order_id="faulty", quantity="0.1", count=3
            )
            assert [row[2] for row in await reports(socket, len(expected))] == expected
        trades = stage.client.call("GET", "myTrades", symbol="BTCUSDT").json()
        assert len(trades) == 3

    play(scene)


def test_a_cut_stream_ends_and_another_may_be_opened(stage: Stage) -> None:
    async def scene() -> None:
        async with stage.user_stream() as socket:
            assert await stage.control("cut", account=stage.account) == {"cut": 1}
            ended = await socket.receive(timeout=10)
            assert ended.type in {aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR}
        async with stage.user_stream() as socket:
            await stage.place("after")
            assert (await reports(socket, 1))[0][0] == "NEW"

    play(scene)


def test_a_futures_stream_tells_orders_and_positions(futures_stage: Stage) -> None:
    async def scene() -> None:
        stage = futures_stage
        key = stage.client.send("POST", "listenKey", {}).json()["listenKey"]
        assert stage.client.send("PUT", "listenKey", {}).json()["listenKey"] == key
        async with stage.socket(f"/private/ws?listenKey={key}") as socket:
            await stage.place("perpetual", quantity="1", price="60006")
            new = await told(socket)
            assert (new["e"], new["o"]["x"]) == ("ORDER_TRADE_UPDATE", "NEW")
            traded = await told(socket)
            assert (traded["o"]["x"], traded["o"]["X"], traded["o"]["n"]) == (
                "TRADE",
                "FILLED",
                "30.00300000",
            )
            account = await told(socket)
            position = account["a"]["P"][0]
            assert (position["pa"], position["ep"], position["ps"]) == ("1", "60006", "BOTH")
            assert account["a"]["B"][0]["wb"] == "999969.99700000"
            await stage.control("funding", symbol="BTCUSDT", rate="0.0001")
            assert (await told(socket))["a"]["m"] == "FUNDING_FEE"
            await stage.control("expire", account=stage.account)
            assert (await told(socket))["e"] == "listenKeyExpired"
        answer = stage.client.send("PUT", "listenKey", {}).json()
        assert answer["code"] == -1125

    play(scene)


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
            assert sorted(wanted) == (await told(socket))["result"]
            await socket.send_json({"method": "UNSUBSCRIBE", "params": wanted, "id": 9})
            assert await told(socket) == {"result": None, "id": 9}
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


def test_a_thousand_fills_reach_the_stream_in_order(stage: Stage) -> None:
    async def scene() -> None:
        await stage.place("many", quantity="1")
        async with stage.user_stream() as socket:
            filling = asyncio.create_task(
                stage.control(
                    "fill",
                    account=stage.account,
                    client_order_id="many",
                    quantity="0.001",
                    count=1_000,
                )
            )
            totals = [float(row[2]) for row in await reports(socket, 1_000)]
            assert totals == [round(number / 1_000, 3) for number in range(1, 1_001)]
            assert await filling == {"fills": 1_000}

    play(scene)
