"""Market data: one scene for each method of the client."""

import itertools
import time
from typing import Any

from tests.client.scenes_trading import refused
from tests.client.shapes import (
    BOOK,
    CANDLE,
    DEPTH_ANSWER,
    TICKERS,
    Map,
    Number,
    check,
)
from tests.client.stand import Play, eventually

HOUR = 3_600
CHANGED = {"success": bool, "connector_name": str, "trading_pair": str, "message": str}


def joined(rows: list[dict[str, Any]], step_seconds: int) -> bool:
    times = [row["timestamp"] for row in rows]
    return all(later - time == step_seconds for time, later in itertools.pairwise(times))


async def get_candles(at: Play) -> None:
    rows = await at.client.market_data.get_candles(
        at.ground.connector, at.ground.pair, "1m", max_records=20
    )
    check(rows, [CANDLE])
    assert len(rows) == 20
    assert joined(rows, 60)
    wrong = at.client.market_data.get_candles(at.ground.connector, at.ground.pair, "7m")
    assert await refused(wrong) in {400, 422}


async def get_historical_candles(at: Play) -> None:
    end = int(time.time()) // HOUR * HOUR
    rows = await at.client.market_data.get_historical_candles(
        at.ground.connector, at.ground.pair, "1h", end - 6 * HOUR, end - HOUR
    )
    check(rows, [CANDLE])
    assert [row["timestamp"] for row in rows[:5]] == [end - n * HOUR for n in (6, 5, 4, 3, 2)]


async def get_candles_last_days(at: Play) -> None:
    rows = await at.client.market_data.get_candles_last_days(
        at.ground.connector, at.ground.pair, 2, "1h"
    )
    check(rows, [CANDLE])
    assert len(rows) >= 47
    assert joined(rows, HOUR)


async def get_available_candle_connectors(at: Play) -> None:
    listed = await at.client.market_data.get_available_candle_connectors()
    check(listed, [str])
    assert at.ground.connector in listed


async def get_active_feeds(at: Play) -> None:
    market = at.client.market_data
    await market.add_trading_pair(at.ground.connector, at.ground.pair)
    await market.get_candles(at.ground.connector, at.ground.pair, "5m")
    feeds = await market.get_active_feeds()
    feed = {
        "feed_type": str,
        "last_access_time": Number,
        "seconds_since_access": Number,
        "will_expire_in": Number,
        "config": str,
    }
    check(feeds, Map(feed))
    about = f"{at.ground.connector}_{at.ground.pair}"
    assert {f"order_book_{about}", f"candles_{about}_5m"} <= set(feeds)


async def get_market_data_settings(at: Play) -> None:
    told = await at.client.market_data.get_market_data_settings()
    check(told, {"cleanup_interval": Number, "feed_timeout": Number, "description": str})


async def get_prices(at: Play) -> None:
    told = await at.client.market_data.get_prices(at.ground.connector, at.ground.pair)
    check(told, {"connector": str, "prices": Map(Number), "timestamp": Number})
    assert list(told["prices"]) == [at.ground.pair]
    assert told["prices"][at.ground.pair] > at.ground.far_price


async def get_tickers(at: Play) -> None:
    told = await at.client.market_data.get_tickers(at.ground.connector, refresh=True)
    check(told, TICKERS)
    assert told["errors"] == {}
    assert at.ground.pair in told["tickers"][at.ground.connector]
    assert told["counts"][at.ground.connector] == len(told["tickers"][at.ground.connector])
    check(await at.client.market_data.get_tickers(), TICKERS)
    assert await refused(at.client.market_data.get_tickers("no_such_connector")) == 404


async def get_rates(at: Play) -> None:
    base, quote = at.ground.pair.split("-")
    asked = [at.ground.pair, f"{quote}-{base}", "NO-SUCH"]
    told = await at.client.market_data.get_rates(asked, connector=at.ground.connector)
    check(
        told,
        {"quote_token": str, "connector": (str, None), "rates": Map((Number, None))},
    )
    rate, reverse = told["rates"][asked[0]], told["rates"][asked[1]]
    assert abs(rate * reverse - 1) < 0.01
    assert told["rates"]["NO-SUCH"] is None


async def get_funding_info(at: Play) -> None:
    question = at.client.market_data.get_funding_info(at.ground.connector, at.ground.pair)
    if not at.ground.is_perpetual:
        assert await refused(question) == 400
        return
    shape = {
        "trading_pair": str,
        "funding_rate": (Number, None),
        "next_funding_time": (Number, None),
        "mark_price": (Number, None),
        "index_price": (Number, None),
    }
    told = await question
    check(told, shape)
    assert told["mark_price"] > at.ground.far_price
    assert 0 < told["next_funding_time"] - time.time() <= 8 * HOUR


async def get_order_book(at: Play) -> None:
    book = await at.client.market_data.get_order_book(at.ground.connector, at.ground.pair, 5)
    check(book, BOOK)
    assert (len(book["bids"]), len(book["asks"])) == (5, 5)
    bids, asks = ([level["price"] for level in book[side]] for side in ("bids", "asks"))
    assert bids == sorted(bids, reverse=True)
    assert asks == sorted(asks)
    assert bids[0] < asks[0]
    wrong = at.client.market_data.get_order_book(at.ground.connector, at.ground.pair, 0)
    assert await refused(wrong) == 422


async def depth_query(at: Play, method: str, result: str, **asked: Any) -> None:
    for is_buy in (True, False):
        told = await getattr(at.client.market_data, method)(
            at.ground.connector, at.ground.pair, is_buy=is_buy, **asked
        )
        check(told, DEPTH_ANSWER)
        assert told["is_buy"] is is_buy
        assert told[result] > 0


async def get_price_for_volume(at: Play) -> None:
    await depth_query(at, "get_price_for_volume", "result_price", volume=at.ground.amount)


async def get_price_for_quote_volume(at: Play) -> None:
    quote = at.ground.amount * at.ground.far_price
    await depth_query(at, "get_price_for_quote_volume", "result_price", quote_volume=quote)


async def get_vwap_for_volume(at: Play) -> None:
    await depth_query(at, "get_vwap_for_volume", "average_price", volume=at.ground.amount)


async def volume_at_price(at: Play, method: str, result: str) -> None:
    market = at.client.market_data
    book = await market.get_order_book(at.ground.connector, at.ground.pair, 10)
    for is_buy, side in ((True, "asks"), (False, "bids")):
        told = await getattr(market, method)(
            at.ground.connector, at.ground.pair, price=book[side][2]["price"], is_buy=is_buy
        )
        check(told, DEPTH_ANSWER)
        assert told[result] > 0


async def get_volume_for_price(at: Play) -> None:
    await volume_at_price(at, "get_volume_for_price", "result_volume")


async def get_quote_volume_for_price(at: Play) -> None:
    await volume_at_price(at, "get_quote_volume_for_price", "result_quote_volume")


async def add_trading_pair(at: Play) -> None:
    told = await at.client.market_data.add_trading_pair(
        at.ground.connector, at.ground.pair, account_name=at.ground.account, timeout=30
    )
    check(told, CHANGED)
    assert told["success"] is True


async def remove_trading_pair(at: Play) -> None:
    market, ground = at.client.market_data, at.ground
    await market.add_trading_pair(ground.connector, ground.pair)
    told = await market.remove_trading_pair(ground.connector, ground.pair)
    check(told, CHANGED)
    assert told["success"] is True
    unknown = await market.remove_trading_pair(ground.connector, "NO-SUCH")
    check(unknown, CHANGED)
    assert unknown["success"] is False


async def get_order_book_diagnostics(at: Play) -> None:
    market, ground = at.client.market_data, at.ground
    await market.add_trading_pair(ground.connector, ground.pair)
    shape = {
        "connector_type": str,
        "connector_name": str,
        "has_order_book_tracker": bool,
        "tracker_ready": bool,
        "tasks": dict,
        "trading_pairs": [str],
        "order_books": dict,
    }
    told = await eventually(
        lambda: market.get_order_book_diagnostics(ground.connector),
        lambda told: bool(told.get("tracker_ready")),
        "the order book is kept",
    )
    check(told, shape)
    assert {"metrics", "websocket_status"} <= set(told)
    assert ground.pair in told["trading_pairs"]


async def restart_order_book_tracker(at: Play) -> None:
    market, ground = at.client.market_data, at.ground
    await market.add_trading_pair(ground.connector, ground.pair)
    told = await market.restart_order_book_tracker(ground.connector)
    check(told, {"success": bool})
    assert told["success"] is True
    assert isinstance(told["message"], str)


SCENES = {
    f"market_data.{scene.__name__}": scene
    for scene in (
        get_candles,
        get_historical_candles,
        get_candles_last_days,
        get_available_candle_connectors,
        get_active_feeds,
        get_market_data_settings,
        get_prices,
        get_tickers,
        get_rates,
        get_funding_info,
        get_order_book,
        get_price_for_volume,
        get_volume_for_price,
        get_price_for_quote_volume,
        get_quote_volume_for_price,
        get_vwap_for_volume,
        add_trading_pair,
        remove_trading_pair,
        get_order_book_diagnostics,
        restart_order_book_tracker,
    )
}
