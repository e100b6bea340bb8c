"""What becomes of spot orders: matching, funds, fees, looking them up again."""

from decimal import Decimal

import pytest

from tests.doubles.binance_client import RawClient, refusal
from tests.doubles.binance_process import BinanceProcess


def test_a_resting_order_locks_what_it_would_cost(spot: RawClient) -> None:
    placed = spot.placed("rest")
    assert (placed["status"], placed["executedQty"], placed["fills"]) == ("NEW", "0.00000000", [])
    assert spot.funds("USDT") == ("999500.00000000", "500.00000000")
    cancelled = spot.call("DELETE", "order", symbol="BTCUSDT", origClientOrderId="rest").json()
    assert (cancelled["status"], cancelled["origClientOrderId"]) == ("CANCELED", "rest")
    assert cancelled["clientOrderId"] != "rest"
    assert spot.funds("USDT") == ("1000000.00000000", "0.00000000")


def test_a_taker_pays_level_by_level_and_its_fee_in_what_it_receives(spot: RawClient) -> None:
    placed = spot.placed("take", quantity="7", price="61000", newOrderRespType="FULL")
    assert placed["status"] == "FILLED"
    fills = [(fill["price"], fill["qty"], fill["commission"]) for fill in placed["fills"]]
    assert fills == [
        ("60006.00000000", "5.00000000", "0.00500000"),
        ("60012.00000000", "2.00000000", "0.00200000"),
    ]
    assert placed["cummulativeQuoteQty"] == "420054.00000000"
    assert spot.funds("USDT") == ("579946.00000000", "0.00000000")
    assert spot.funds("BTC") == ("106.99300000", "0.00000000")


def test_a_market_sale_takes_the_bids(spot: RawClient) -> None:
    placed = spot.placed(side="SELL", type="MARKET", price=None, timeInForce=None, quantity="1")
    assert (placed["status"], placed["fills"][0]["commissionAsset"]) == ("FILLED", "USDT")
    assert spot.funds("USDT") == ("1059934.00600000", "0.00000000")


def test_a_market_order_beyond_the_book_expires_with_what_it_got(
    binance_double: BinanceProcess, spot: RawClient
) -> None:
    binance_double.control("book", symbol="BTCUSDT", levels=1, quantity="0.5")
    placed = spot.placed(type="MARKET", price=None, timeInForce=None, quantity="2")
    assert (placed["status"], placed["executedQty"]) == ("EXPIRED", "0.50000000")
    assert spot.funds("USDT")[1] == "0.00000000"


@pytest.mark.parametrize(("kind", "executed"), [("IOC", "5.00000000"), ("FOK", "0.00000000")])
def test_what_cannot_be_had_at_once_expires(spot: RawClient, kind: str, executed: str) -> None:
    placed = spot.placed(quantity="6", price="60006", timeInForce=kind)
    assert (placed["status"], placed["executedQty"]) == ("EXPIRED", executed)
    assert spot.funds("USDT")[1] == "0.00000000"


def test_fill_or_kill_fills_where_all_is_there(spot: RawClient) -> None:
    assert spot.placed(quantity="5", price="60006", timeInForce="FOK")["status"] == "FILLED"


def test_a_post_only_order_rests(spot: RawClient) -> None:
    placed = spot.placed(type="LIMIT_MAKER", timeInForce=None, price="60005.99")
    assert placed["status"] == "NEW"


def test_the_rest_of_a_taker_rests_and_the_ladder_keeps_clear_of_it(spot: RawClient) -> None:
    placed = spot.placed("deep", quantity="6", price="60006")
    assert (placed["status"], placed["executedQty"]) == ("PARTIALLY_FILLED", "5.00000000")
    spot.placed(side="SELL", price="70000")  # the maker would now offer again
    book = spot.send("GET", "depth", {"symbol": "BTCUSDT", "limit": 1}).json()
    assert book["bids"] == [["60006.00000000", "1.00000000"]]
    assert book["asks"] == [["60012.00000000", "5.00000000"]]


def test_a_resting_order_fills_in_parts(
    binance_double: BinanceProcess, spot: RawClient, account: str
) -> None:
    spot.placed("parts", quantity="1")
    binance_double.control(
        "fill", account=account, client_order_id="parts", quantity="0.25", count=3
    )
    order = spot.order("parts")
    assert (order["status"], order["executedQty"]) == ("PARTIALLY_FILLED", "0.75000000")
    assert spot.funds("USDT") == ("950000.00000000", "12500.00000000")
    binance_double.control("fill", account=account, client_order_id="parts")
    assert spot.order("parts")["status"] == "FILLED"
    trades = spot.call("GET", "myTrades", symbol="BTCUSDT").json()
    assert [trade["qty"] for trade in trades] == ["0.25000000"] * 4
    assert {trade["isMaker"] for trade in trades} == {True}
    assert spot.funds("BTC") == ("100.99900000", "0.00000000")


def test_a_moved_price_fills_what_it_reaches_at_its_own_price(
    binance_double: BinanceProcess, spot: RawClient
) -> None:
    spot.placed("reached", price="59000")
    spot.placed("missed", price="57000")
    binance_double.control("price", symbol="BTCUSDT", price="58000")
    assert spot.order("reached")["cummulativeQuoteQty"] == "590.00000000"
    assert spot.order("missed")["status"] == "NEW"
    last = spot.send("GET", "ticker/price", {"symbol": "BTCUSDT"}).json()
    assert last["price"] == "59000.00000000"


def test_two_accounts_trade_with_each_other_at_the_makers_price(
    binance_double: BinanceProcess, spot: RawClient, account: str
) -> None:
    key, secret = binance_double.new_account(f"{account}-2")
    with RawClient(binance_double.url, key, secret) as other:
        other.placed("ask", side="SELL", quantity="1", price="60003")
        taken = spot.placed("bid", quantity="1", price="60100")
        assert (taken["status"], taken["fills"][0]["price"]) == ("FILLED", "60003.00000000")
        assert other.order("ask")["status"] == "FILLED"
        theirs = other.call("GET", "myTrades", symbol="BTCUSDT").json()
        ours = spot.call("GET", "myTrades", symbol="BTCUSDT").json()
    assert theirs[-1]["id"] == ours[-1]["id"]
    assert (theirs[-1]["isMaker"], ours[-1]["isMaker"]) == (True, False)


def test_cancelling_says_what_it_does_not_know(spot: RawClient) -> None:
    answer = spot.call("DELETE", "order", symbol="BTCUSDT", origClientOrderId="nobody")
    assert refusal(answer) == (400, -2011)
    spot.placed("once")
    spot.call("DELETE", "order", symbol="BTCUSDT", origClientOrderId="once")
    again = spot.call("DELETE", "order", symbol="BTCUSDT", origClientOrderId="once")
    assert refusal(again) == (400, -2011)
    neither = spot.call("DELETE", "order", symbol="BTCUSDT")
    assert refusal(neither) == (400, -1102)


def test_an_order_is_found_by_either_id_and_only_by_its_owner(
    binance_double: BinanceProcess, spot: RawClient, account: str
) -> None:
    placed = spot.placed("mine")
    by_number = spot.call("GET", "order", symbol="BTCUSDT", orderId=placed["orderId"])
    assert by_number.json()["clientOrderId"] == "mine"
    for symbol, client_id in (("BTCUSDT", "other"), ("ETHUSDT", "mine")):
        answer = spot.call("GET", "order", symbol=symbol, origClientOrderId=client_id)
        assert refusal(answer) == (400, -2013)
    key, secret = binance_double.new_account(f"{account}-2")
    with RawClient(binance_double.url, key, secret) as other:
        for asked in ({"origClientOrderId": "mine"}, {"orderId": placed["orderId"]}):
            assert refusal(other.call("GET", "order", symbol="BTCUSDT", **asked)) == (400, -2013)


def test_lists_page_by_id_and_by_time(spot: RawClient) -> None:
    placed = [spot.placed(f"row{number}") for number in range(4)]
    spot.call("DELETE", "order", symbol="BTCUSDT", origClientOrderId="row0")
    still_open = spot.call("GET", "openOrders", symbol="BTCUSDT").json()
    assert [order["clientOrderId"] for order in still_open] == ["row1", "row2", "row3"]
    page = spot.call("GET", "allOrders", symbol="BTCUSDT", orderId=placed[1]["orderId"], limit=2)
    assert [order["clientOrderId"] for order in page.json()] == ["row1", "row2"]
    latest = spot.call("GET", "allOrders", symbol="BTCUSDT", limit=1).json()
    assert [order["clientOrderId"] for order in latest] == ["row3"]
    since = spot.call("GET", "allOrders", symbol="BTCUSDT", startTime=placed[0]["time"])
    assert len(since.json()) == 4
    day_ms = 86_400_000
    wide = spot.call("GET", "allOrders", symbol="BTCUSDT", startTime=1, endTime=day_ms + 2)
    assert refusal(wide) == (400, -1127)


def test_cancelling_all_cancels_one_symbol(spot: RawClient) -> None:
    spot.placed("btc")
    spot.placed("eth", symbol="ETHUSDT", price="2000")
    cancelled = spot.call("DELETE", "openOrders", symbol="BTCUSDT").json()
    assert [order["origClientOrderId"] for order in cancelled] == ["btc"]
    assert refusal(spot.call("DELETE", "openOrders", symbol="BTCUSDT")) == (400, -2011)
    still_open = spot.call("GET", "openOrders").json()
    assert [order["clientOrderId"] for order in still_open] == ["eth"]


def test_money_is_neither_made_nor_lost(spot: RawClient) -> None:
    spot.placed(quantity="0.3", price="61000")
    spot.placed(side="SELL", quantity="0.3", price="59000")
    spent = Decimal("0.3") * (Decimal(60006) - Decimal(59994))
    usdt_fee = Decimal("0.3") * Decimal(59994) * Decimal("0.001")
    free = Decimal(spot.funds("USDT")[0])
    assert free == Decimal(1_000_000) - spent - usdt_fee
    assert Decimal(spot.funds("BTC")[0]) == Decimal(100) - Decimal("0.3") * Decimal("0.001")
