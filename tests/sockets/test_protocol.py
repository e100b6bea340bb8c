"""What is said on a connection of market data, by both sides."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import Any

import pytest

from api.http.wire import SOCKET_MESSAGE_BYTES_MAX
from api.sockets import session as socket_session
from tests.sockets.served import PAIR, TOKEN, Raw, Served, connected, opened, subscribe
from tests.venues.paper_process import PaperProcess

pytestmark = pytest.mark.postgres
BOOK, TRADES, CANDLES = (
    f"order_book_paper_{PAIR}",
    f"trades_paper_{PAIR}",
    f"candles_paper_{PAIR}_1m",
)
Scenario = Callable[[Raw], Awaitable[None]]


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether there is such a pair is told in the answer, however slow the machine."""
    monkeypatch.setattr(socket_session, "FIRST_ANSWER_SECONDS", 20.0)


def on(served: Served, scenario: Scenario) -> None:
    async def run() -> None:
        async with connected(served) as raw:
            await scenario(raw)

    asyncio.run(run())


def is_subscribed(frame: dict[str, Any], subscription_id: str) -> None:
    assert (frame["type"], frame["subscription_id"]) == ("subscribed", subscription_id)


def test_an_order_book_is_pairs_of_numbers_to_the_depth_that_was_asked_for(served: Served) -> None:
    async def scenario(raw: Raw) -> None:
        is_subscribed(await raw.ask(**subscribe("order_book", depth=3)), BOOK)
        frame = await raw.next()
        assert (frame["type"], frame["subscription_id"]) == ("order_book", BOOK)
        assert isinstance(frame["timestamp"], float)
        bids, asks = frame["data"]["bids"], frame["data"]["asks"]
        assert (len(bids), len(asks)) == (3, 3)
        assert bids[0][0] > bids[1][0]
        assert bids[0][0] < asks[0][0] < asks[1][0]
        assert all(isinstance(part, float) for level in bids + asks for part in level)

    on(served, scenario)


def test_a_book_is_pushed_only_when_it_is_another(served: Served, venue: PaperProcess) -> None:
    async def scenario(raw: Raw) -> None:
        await asyncio.to_thread(venue.price, "1.25")
        await raw.ask(**subscribe("order_book"))
        while not 1.25 < (await raw.next_of("order_book"))["data"]["asks"][0][0] < 1.2502:
            pass
        await raw.ask(**subscribe("trades"))
        told = len(raw.seen)
        for _ in range(2):  # Two seconds of the venue's life, in which its book stays.
            await raw.next_of("trades")
        assert {frame["type"] for frame in raw.seen[told:]} == {"trades"}
        await asyncio.to_thread(venue.price, "1.26")
        assert (await raw.next_of("order_book"))["data"]["bids"][0][0] > 1.2598

    on(served, scenario)


def test_trades_come_in_batches_each_once(served: Served) -> None:
    async def scenario(raw: Raw) -> None:
        is_subscribed(await raw.ask(**subscribe("trades")), TRADES)
        frames = [await raw.next(), await raw.next()]
        rows = [row for frame in frames for row in frame["data"]]
        assert {frame["type"] for frame in frames} == {"trades"}
        assert {frozenset(row) for row in rows} == {
            frozenset({"timestamp", "price", "amount", "side"})
        }
        assert {row["side"] for row in rows} <= {"buy", "sell"}
        times = [row["timestamp"] for row in rows]
        assert times == sorted(set(times))

    on(served, scenario)


def test_candles_come_whole_then_the_last_one_at_every_interval(served: Served) -> None:
    async def scenario(raw: Raw) -> None:
        is_subscribed(await raw.ask(**subscribe("candles", max_records=5)), CANDLES)
        whole = await raw.next()
        assert (whole["type"], len(whole["data"])) == ("candles", 5)
        times = [row["timestamp"] for row in whole["data"]]
        assert [later - time for time, later in pairwise(times)] == [60.0] * 4
        update = await raw.next_of("candle_update", "candles")  # A slow machine drops some.
        if update["type"] == "candle_update":  # Else a minute has just begun.
            assert update["data"].keys() == whole["data"][-1].keys()
            assert update["data"]["timestamp"] == times[-1]
        else:
            assert update["data"][-1]["timestamp"] == times[-1] + 60.0

    on(served, scenario)


def test_a_subscription_of_the_same_name_takes_the_place_of_the_first(served: Served) -> None:
    async def scenario(raw: Raw) -> None:
        await raw.ask(**subscribe("order_book", depth=2))
        await raw.next_of("order_book")
        is_subscribed(await raw.ask(**subscribe("order_book", depth=4)), BOOK)
        assert len((await raw.next_of("order_book"))["data"]["bids"]) == 4
        listeners = 0
        with served.client() as client:
            async with asyncio.timeout(30):  # The server may not have seen others leave yet.
                while listeners != 1:
                    seen = await asyncio.to_thread(client.get, "/market-data/active-feeds")
                    listeners = seen.json()[BOOK]["listeners"]

    on(served, scenario)


def test_what_was_unsubscribed_is_not_heard_again(served: Served) -> None:
    async def scenario(raw: Raw) -> None:
        await raw.ask(**subscribe("candles"))
        await raw.ask(**subscribe("trades"))
        await raw.next_of("candle_update")
        await raw.send(action="unsubscribe", subscription_id=CANDLES)
        assert (await raw.next_of("unsubscribed"))["subscription_id"] == CANDLES
        told = len(raw.seen)
        await raw.next_of("trades")
        assert {frame["type"] for frame in raw.seen[told:]} == {"trades"}
        again = await raw.ask(action="unsubscribe", subscription_id=CANDLES)
        assert (again["type"], CANDLES in again["message"]) == ("error", True)

    on(served, scenario)


@pytest.mark.usefixtures("quiet")
def test_every_question_is_answered_by_the_next_frame_while_data_is_waiting(
    served: Served,
) -> None:
    async def scenario(raw: Raw) -> None:
        for interval in ("1m", "3m", "5m", "15m", "30m", "1h"):
            expected = f"candles_paper_{PAIR}_{interval}"
            asked = subscribe("candles", interval=interval)
            is_subscribed(await raw.ask_at_once(**asked), expected)
        is_subscribed(await raw.ask_at_once(**subscribe("order_book")), BOOK)
        for _ in range(20):
            assert (await raw.ask_at_once(action="ping"))["type"] == "pong"
        ended = await raw.ask_at_once(action="unsubscribe", subscription_id=BOOK)
        assert ended["type"] == "unsubscribed"
        heard = {(await raw.next_of("candles"))["subscription_id"] for _ in range(6)}
        assert len(heard) == 6

    on(served, scenario)


def test_a_client_that_asks_all_the_time_hears_its_data_too(served: Served) -> None:
    async def scenario(raw: Raw) -> None:
        await raw.ask(**subscribe("candles"))
        async with asyncio.timeout(60):
            while (await raw.ask_at_once(action="ping"))["type"] != "candles":
                pass

    on(served, scenario)


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ({"action": "sing"}, "Unknown action 'sing'"),
        ({"action": "x" * 1000}, "Unknown action"),
        ({"no": "action"}, "action"),
        ({"action": None}, "action"),
        ({"action": "unsubscribe"}, "no subscription None"),
        ({"action": "unsubscribe", "subscription_id": "x"}, "no subscription 'x'"),
        ({"action": "subscribe"}, "type"),
        (subscribe("executors"), "executors"),
        (subscribe("order_book", depth=0), "depth"),
        (subscribe("order_book", depth=1001), "depth"),
        (subscribe("order_book", update_interval="soon"), "update_interval"),
        (subscribe("order_book", connector="no/pe"), "connector"),
        (subscribe("order_book", connector="nowhere"), "no connector 'nowhere'"),
        (subscribe("order_book", trading_pair="A-B"), "A-B is not traded"),
        (subscribe("trades", trading_pair=""), "trading_pair"),
        (subscribe("candles", interval="7m"), "7m"),
        (subscribe("candles", trading_pair="A-B"), "A-B is not traded"),
    ],
)
def test_what_cannot_be_is_an_error_and_the_connection_stays(
    served: Served, message: dict[str, Any], words: str
) -> None:
    async def scenario(raw: Raw) -> None:
        frame = await raw.ask(**message)
        assert frame["type"] == "error"
        assert words in frame["message"]
        assert (await raw.ask(action="ping"))["type"] == "pong"

    on(served, scenario)


@pytest.mark.parametrize("text", ["", "{", "[]", '"ping"', "[" * 5000, '{"action": "ping'])
def test_what_is_no_message_is_an_error_and_the_connection_stays(served: Served, text: str) -> None:
    async def scenario(raw: Raw) -> None:
        await raw.socket.send_str(text)
        assert (await raw.next())["type"] == "error"
        await raw.socket.send_bytes(b'{"action": "ping"}')
        assert "binary" in (await raw.next())["message"]
        assert (await raw.ask(action="ping"))["type"] == "pong"

    on(served, scenario)


def test_a_message_that_is_too_long_ends_the_connection(served: Served) -> None:
    async def scenario(raw: Raw) -> None:
        await raw.socket.send_str("x" * (SOCKET_MESSAGE_BYTES_MAX + 1))
        assert await raw.closed() == 1009

    on(served, scenario)


def test_one_connection_has_only_so_many_subscriptions(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket_session, "SUBSCRIPTIONS_MAX", 2)

    async def scenario(raw: Raw) -> None:
        is_subscribed(await raw.ask(**subscribe("order_book")), BOOK)
        is_subscribed(await raw.ask(**subscribe("trades")), TRADES)
        assert "has 2 subscriptions" in (await raw.ask(**subscribe("candles")))["message"]
        is_subscribed(await raw.ask(**subscribe("order_book", depth=3)), BOOK)

    on(served, scenario)


def test_a_query_subscribes_by_itself(served: Served) -> None:
    async def scenario(more: str) -> list[dict[str, Any]]:
        query = f"token={TOKEN}&connector=paper&trading_pair={PAIR}&{more}"
        async with opened(served.socket_url("/market-data/stream", query)) as raw:
            return [await raw.next(), await raw.next(), await raw.next()]

    first, second, third = asyncio.run(scenario("type=order_book&depth=2&update_interval=0.25"))
    assert first["type"] == "connected"
    is_subscribed(second, BOOK)
    assert len(third["data"]["asks"]) == 2


def test_a_query_that_cannot_be_subscribed_to_is_an_error(served: Served) -> None:
    async def scenario(query: str) -> str:
        async with opened(served.socket_url("/market-data/stream", query)) as raw:
            assert (await raw.next())["type"] == "connected"
            frame = await raw.next()
            assert frame["type"] == "error"
            assert (await raw.ask(action="ping"))["type"] == "pong"
            return str(frame["message"])

    assert "type" in asyncio.run(scenario(f"token={TOKEN}&connector=paper&trading_pair={PAIR}"))
    assert "depth" in asyncio.run(
        scenario(f"token={TOKEN}&connector=paper&trading_pair={PAIR}&type=order_book&depth=x")
    )
