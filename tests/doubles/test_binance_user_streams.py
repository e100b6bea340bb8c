"""User streams on the raw wire, and their faults."""

import asyncio

import aiohttp
import pytest

from tests.doubles.binance_stage import Stage, play, reports, told


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
            ended = await socket.receive(timeout=60)
            assert ended.type in {aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR}
        async with stage.user_stream() as socket:
            await stage.place("after")
            assert (await reports(socket, 1))[0][0] == "NEW"

    play(scene)


def test_a_terminated_stream_says_so_and_tells_no_more(stage: Stage) -> None:
    async def scene() -> None:
        async with stage.user_stream() as socket:
            await stage.control("expire", account=stage.account, market="spot")
            assert (await told(socket))["event"]["e"] == "eventStreamTerminated"
            await stage.place("unheard")
            assert "subscriptionId" in (await stage.log_in(socket))["result"]
            await stage.place("heard")
            assert (await told(socket))["event"]["c"] == "heard"

    play(scene)


def test_a_shutdown_is_announced_to_every_kind_of_connection(stage: Stage) -> None:
    async def scene() -> None:
        async with (
            stage.user_stream() as private,
            stage.socket("/ws/btcusdt@trade") as raw,
            stage.socket("/stream?streams=btcusdt@trade") as combined,
        ):
            await stage.control("shutdown")
            assert (await told(private))["event"]["e"] == "serverShutdown"
            assert (await told(raw))["e"] == "serverShutdown"
            assert (await told(combined))["stream"] == "!serverShutdown"

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
