"""The venue dies and returns under those who listen; nothing must be asked for again."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.postgres_fixture import Database
from tests.sockets.served import PAIR, Served, connected, serving, subscribe
from tests.venues.paper_process import PaperProcess, running

pytestmark = pytest.mark.postgres
BOOK = f"order_book_paper_{PAIR}"
CANDLES = f"candles_paper_{PAIR}_1m"


async def until_feeds(served: Served, is_so: Callable[[dict[str, Any]], bool]) -> None:
    with served.client() as http:
        async with asyncio.timeout(60):
            while True:
                answer = await asyncio.to_thread(http.get, "/market-data/active-feeds")
                if is_so(answer.json()):
                    return
                await asyncio.sleep(0.05)


def test_those_who_listen_hear_on_when_the_venue_is_back(log: Database, tmp_path: Path) -> None:
    async def scenario(served: Served, venue: PaperProcess) -> None:
        port = venue.url.rpartition(":")[2]
        async with connected(served) as raw:
            for kind in ("order_book", "candles", "trades"):
                await raw.ask(**subscribe(kind))
            await raw.next_of("order_book")
            await raw.next_of("candles")
            venue.kill()
            await until_feeds(
                served, lambda seen: {seen[BOOK]["state"], seen[CANDLES]["state"]} == {"lost"}
            )
            assert served.deps.feeds.book("paper", PAIR) is None
            again = PaperProcess(tmp_path, "--port", port)
            await asyncio.to_thread(again.start)
            try:
                await asyncio.to_thread(again.price, "1.5")
                while (await raw.next_of("order_book", seconds=60))["data"]["asks"][0][0] < 1.5:
                    pass
                await raw.next_of("trades", seconds=60)
                await raw.next_of("candle_update", seconds=60)
                assert served.deps.feeds.book("paper", PAIR) is not None
            finally:
                again.kill()

    with running(tmp_path) as venue, serving(log.app_dsn, venue.url, tmp_path) as served:
        asyncio.run(scenario(served, venue))


def test_a_subscription_to_a_venue_that_is_away_begins_when_it_is_there(
    log: Database, tmp_path: Path
) -> None:
    async def scenario(served: Served, venue: PaperProcess) -> None:
        port = venue.url.rpartition(":")[2]
        venue.kill()
        async with connected(served) as raw:
            assert (await raw.ask(**subscribe("order_book")))["type"] == "subscribed"
            again = PaperProcess(tmp_path, "--port", port)
            await asyncio.to_thread(again.start)
            try:
                assert (await raw.next_of("order_book", seconds=60))["subscription_id"] == BOOK
            finally:
                again.kill()

    with running(tmp_path) as venue, serving(log.app_dsn, venue.url, tmp_path) as served:
        asyncio.run(scenario(served, venue))


def test_a_pair_whose_book_does_not_come_in_time_is_a_500_and_the_feed_goes_on_trying(
    log: Database, tmp_path: Path
) -> None:
    with running(tmp_path) as venue, serving(log.app_dsn, venue.url, tmp_path) as served:
        venue.kill()
        with served.client() as http:
            body = {"connector_name": "paper", "trading_pair": PAIR, "timeout": 1}
            answer = http.post("/market-data/trading-pair/add", json=body)
            assert (answer.status_code, answer.json()["code"]) == (500, "book_not_ready")
            assert BOOK in http.get("/market-data/active-feeds").json()


def test_a_feed_stops_when_nobody_listens_any_more(log: Database, tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        with served.client() as http:
            url = f"/market-data/trades/{PAIR}?connector_name=paper"
            assert (await asyncio.to_thread(http.get, url)).status_code == 200
        async with connected(served) as raw:
            await raw.ask(**subscribe("candles"))
            await until_feeds(served, lambda seen: seen.keys() == {CANDLES})
            assert served.deps.feeds.of()[0].idle_seconds == 0
        await until_feeds(served, lambda seen: not seen)

    settings: dict[str, Any] = {
        "market_data_feed_timeout": 0.3,
        "market_data_cleanup_interval": 0.1,
    }
    with (
        running(tmp_path) as venue,
        serving(log.app_dsn, venue.url, tmp_path, **settings) as served,
    ):
        asyncio.run(scenario(served))


def test_there_are_only_so_many_feeds_and_one_that_nobody_hears_makes_room(
    log: Database, tmp_path: Path
) -> None:
    async def scenario(served: Served) -> None:
        async with connected(served) as raw:
            await raw.ask(**subscribe("order_book"))
            full = await raw.ask(**subscribe("candles"))
            assert full["type"] == "error"
            assert "1 feeds run" in full["message"]
            with served.client() as http:
                body = {"connector_name": "paper", "trading_pair": "X-Y"}
                answer = http.post("/market-data/trading-pair/add", json=body)
                assert (answer.status_code, answer.json()["code"]) == (503, "too_many_feeds")
            await raw.ask(action="unsubscribe", subscription_id=BOOK)
            assert (await raw.ask(**subscribe("candles")))["type"] == "subscribed"
            assert [feed.key for feed in served.deps.feeds.of()] == [CANDLES]

    with (
        running(tmp_path) as venue,
        serving(log.app_dsn, venue.url, tmp_path, feeds_max=1) as served,
    ):
        asyncio.run(scenario(served))


def test_a_pair_that_is_removed_is_told_to_those_who_listen(log: Database, tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        async with connected(served) as raw:
            await raw.ask(**subscribe("order_book"))
            with served.client() as http:
                body = {"connector_name": "paper", "trading_pair": PAIR}
                await asyncio.to_thread(
                    lambda: http.post("/market-data/trading-pair/remove", json=body)
                )
            ended = await raw.next_of("error")
            assert (ended["subscription_id"], "removed" in ended["message"]) == (BOOK, True)
            assert (await raw.ask(**subscribe("order_book")))["type"] == "subscribed"
            await raw.next_of("order_book")

    with running(tmp_path) as venue, serving(log.app_dsn, venue.url, tmp_path) as served:
        asyncio.run(scenario(served))
