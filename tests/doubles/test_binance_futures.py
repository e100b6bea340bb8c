"""What becomes of futures orders: positions, both modes, reducing, leverage, funding."""

from decimal import Decimal
from typing import Any

import pytest

from tests.doubles.binance_client import RawClient, refusal
from tests.doubles.binance_process import BinanceProcess

TAKE: dict[str, Any] = {"type": "MARKET", "price": None, "timeInForce": None}


def positions(futures: RawClient) -> list[tuple[str, str, str]]:
    rows = futures.call("GET", "/fapi/v3/positionRisk").json()
    return [(row["positionSide"], row["positionAmt"], row["entryPrice"]) for row in rows]


def wallet(futures: RawClient) -> Decimal:
    return Decimal(futures.call("GET", "/fapi/v3/balance").json()[0]["balance"])


def hedge(futures: RawClient) -> None:
    answer = futures.call("POST", "positionSide/dual", dualSidePosition="true")
    assert answer.json()["code"] == 200


def test_fills_make_a_position_that_averages_its_entry(futures: RawClient) -> None:
    futures.placed(**TAKE, quantity="5")
    futures.placed(**TAKE, quantity="10")
    assert positions(futures) == [("BOTH", "15", "60008")]
    assert wallet(futures) == 1_000_000 - Decimal("0.0005") * 15 * 60008


def test_closing_realizes_and_turning_begins_anew(futures: RawClient) -> None:
    futures.placed(**TAKE, quantity="1")
    futures.placed(**TAKE, side="SELL", quantity="3")
    assert positions(futures) == [("BOTH", "-2", "59994")]
    kinds = futures.call("GET", "income", incomeType="REALIZED_PNL").json()
    assert [row["income"] for row in kinds] == ["-12.00000000"]


def test_an_acknowledgement_says_nothing_of_fills(futures: RawClient) -> None:
    placed = futures.placed("ack", **TAKE, quantity="1", newOrderRespType="ACK")
    assert (placed["status"], placed["executedQty"]) == ("NEW", "0")
    assert futures.order("ack")["status"] == "FILLED"


def test_reduce_only_never_turns_a_position(futures: RawClient) -> None:
    futures.placed(**TAKE, quantity="1")
    sold = futures.placed(**TAKE, side="SELL", quantity="3", reduceOnly="true")
    assert (sold["status"], sold["executedQty"]) == ("EXPIRED", "1")
    assert positions(futures) == []
    assert refusal(futures.place(side="SELL", price="70000", reduceOnly="true")) == (400, -2022)


def test_a_resting_reduce_only_order_expires_with_its_position(
    binance_double: BinanceProcess, futures: RawClient, account: str
) -> None:
    futures.placed(**TAKE, quantity="1")
    futures.placed("exit", side="SELL", quantity="1", price="70000", reduceOnly="true")
    futures.placed(**TAKE, side="SELL", quantity="1")
    binance_double.control(
        "fill", account=account, market="futures", client_order_id="exit", quantity="1"
    )
    assert futures.order("exit")["status"] == "EXPIRED"
    assert positions(futures) == []


def test_hedge_mode_holds_both_sides(futures: RawClient) -> None:
    hedge(futures)
    assert futures.call("GET", "positionSide/dual").json() == {"dualSidePosition": True}
    assert refusal(futures.place(**TAKE, quantity="1")) == (400, -4061)
    futures.placed(**TAKE, quantity="2", positionSide="LONG")
    futures.placed(**TAKE, side="SELL", quantity="1", positionSide="SHORT")
    assert positions(futures) == [("LONG", "2", "60006"), ("SHORT", "-1", "59994")]
    too_much = futures.place(**TAKE, side="SELL", quantity="3", positionSide="LONG")
    assert refusal(too_much) == (400, -2022)
    unwanted = futures.place(
        **TAKE, side="SELL", quantity="1", positionSide="LONG", reduceOnly="true"
    )
    assert refusal(unwanted) == (400, -1106)
    futures.placed(**TAKE, side="SELL", quantity="2", positionSide="LONG")
    futures.placed(**TAKE, quantity="1", positionSide="SHORT")
    assert positions(futures) == []


def test_the_mode_changes_only_while_nothing_is_open(futures: RawClient) -> None:
    def to_hedge() -> tuple[int, int]:
        return refusal(futures.call("POST", "positionSide/dual", dualSidePosition="true"))

    same = futures.call("POST", "positionSide/dual", dualSidePosition="false")
    assert refusal(same) == (400, -4059)
    futures.placed("rest")
    assert to_hedge() == (400, -4067)
    futures.call("DELETE", "order", symbol="BTCUSDT", origClientOrderId="rest")
    futures.placed(**TAKE, quantity="1")
    assert to_hedge() == (400, -4068)


@pytest.mark.parametrize("leverage", ["0", "126"])
def test_leverage_has_limits(futures: RawClient, leverage: str) -> None:
    answer = futures.call("POST", "leverage", symbol="BTCUSDT", leverage=leverage)
    assert refusal(answer) == (400, -4028)


def test_leverage_decides_what_an_order_needs(futures: RawClient) -> None:
    def to(leverage: int) -> None:
        answer = futures.call("POST", "leverage", symbol="BTCUSDT", leverage=leverage)
        assert answer.json()["leverage"] == leverage

    to(1)
    assert refusal(futures.place(quantity="21")) == (400, -2019)
    to(2)
    futures.placed(quantity="21")
    told = futures.call("GET", "symbolConfig", symbol="BTCUSDT").json()
    assert told[0]["leverage"] == 2
    account = futures.call("GET", "/fapi/v3/account").json()
    assert Decimal(account["availableBalance"]) == 1_000_000 - 21 * 50_000 / 2


def test_funding_moves_money_from_longs_to_shorts_once_each(
    binance_double: BinanceProcess, futures: RawClient, account: str
) -> None:
    futures.placed(**TAKE, quantity="2")
    key, secret = binance_double.new_account(f"{account}-2")
    with RawClient(binance_double.url, key, secret, "futures") as other:
        other.placed(**TAKE, side="SELL", quantity="1")
        binance_double.control("funding", symbol="BTCUSDT", rate="0.0001")
        binance_double.control("funding", symbol="ETHUSDT", rate="0.0001")
        theirs = other.call("GET", "income", incomeType="FUNDING_FEE").json()
    ours = futures.call("GET", "income", incomeType="FUNDING_FEE", symbol="BTCUSDT").json()
    assert [row["income"] for row in ours] == ["-12.00000000"]
    assert [row["income"] for row in theirs] == ["6.00000000"]
    assert ours[0]["tranId"] != theirs[0]["tranId"]
    assert futures.call("GET", "income", startTime=ours[0]["time"] + 60_000).json() == []


def test_a_position_shows_what_it_would_realize(
    binance_double: BinanceProcess, futures: RawClient
) -> None:
    futures.placed(**TAKE, quantity="1")
    binance_double.control("price", market="futures", symbol="BTCUSDT", price="61006")
    row = futures.call("GET", "/fapi/v2/positionRisk", symbol="BTCUSDT").json()[0]
    assert (row["unRealizedProfit"], row["markPrice"]) == ("1000.00000000", "61006")
    assert (row["leverage"], row["marginType"]) == ("20", "cross")


def test_the_only_margin_type_needs_no_change(futures: RawClient) -> None:
    answer = futures.call("POST", "marginType", symbol="BTCUSDT", marginType="CROSSED")
    assert refusal(answer) == (400, -4046)


def test_cancelling_all_leaves_nothing_open(futures: RawClient) -> None:
    futures.placed("one")
    futures.placed("two", side="SELL", price="70000")
    assert futures.call("DELETE", "allOpenOrders", symbol="BTCUSDT").json()["code"] == 200
    assert futures.call("GET", "openOrders").json() == []
    assert futures.order("two")["status"] == "CANCELED"


def test_marks_and_rates_are_told(futures: RawClient) -> None:
    mark = futures.send("GET", "premiumIndex", {"symbol": "BTCUSDT"}).json()
    assert mark["markPrice"] == "60000"
    rates = futures.send("GET", "fundingRate", {"symbol": "BTCUSDT", "limit": 3}).json()
    assert [row["fundingTime"] % (8 * 3_600_000) for row in rates] == [0, 0, 0]
    assert mark["nextFundingTime"] == rates[-1]["fundingTime"] + 8 * 3_600_000
