"""Each filter and each malformed parameter, with the exchange's own code."""

from typing import Any

import pytest

from tests.doubles.binance_client import RawClient, refusal

MARKET: dict[str, Any] = {"type": "MARKET", "price": None, "timeInForce": None}
PEPE: dict[str, Any] = {"symbol": "PEPEUSDT", "price": "0.00001", "quantity": "200000"}
SPOT_REFUSED: list[tuple[str, dict[str, Any], int, str]] = [
    ("unknown symbol", {"symbol": "NOPE"}, -1121, "Invalid symbol."),
    ("no symbol", {"symbol": None}, -1102, "'symbol'"),
    ("no side", {"side": None}, -1102, "'side'"),
    ("another side", {"side": "HOLD"}, -1117, "Invalid side."),
    ("another type", {"type": "STOP_LOSS"}, -1116, "Invalid orderType."),
    ("no time in force", {"timeInForce": None}, -1102, "'timeInForce'"),
    ("another time in force", {"timeInForce": "GTX"}, -1115, "Invalid timeInForce."),
    ("no price", {"price": None}, -1102, "'price'"),
    ("no quantity", {"quantity": None}, -1102, "'quantity'"),
    ("no number", {"quantity": "many"}, -1102, "'quantity'"),
    ("no finite number", {"quantity": "NaN"}, -1100, "'quantity'"),
    ("price of a market order", {**MARKET, "price": "1"}, -1106, "'price'"),
    ("an id with a blank", {"newClientOrderId": "a b"}, -1100, "newClientOrderId"),
    ("an id too long", {"newClientOrderId": "a" * 37}, -1100, "newClientOrderId"),
    ("price between ticks", {"price": "50000.001"}, -1013, "PRICE_FILTER"),
    ("price too high", {"price": "1000000.01"}, -1013, "PRICE_FILTER"),
    ("price of nothing", {"price": "0"}, -1013, "Invalid price."),
    ("quantity between lots", {"quantity": "0.000015"}, -1013, "LOT_SIZE"),
    ("quantity too large", {"quantity": "9000.1"}, -1013, "LOT_SIZE"),
    ("quantity of nothing", {"quantity": "0"}, -1013, "Invalid quantity."),
    ("too many decimals", {"quantity": "0.010000001"}, -1111, "'quantity'"),
    ("too many decimals of a price", {"price": "50000.000000001"}, -1111, "'price'"),
    ("too little money", {"quantity": "0.00009"}, -1013, "NOTIONAL"),
    ("a market order too large", {**MARKET, "quantity": "121"}, -1013, "MARKET_LOT_SIZE"),
    ("odd: half a lot", {**PEPE, "quantity": "200000.5"}, -1013, "LOT_SIZE"),
    ("odd: too little money", {**PEPE, "quantity": "99999"}, -1013, "NOTIONAL"),
    ("odd: too dear", {**PEPE, "price": "1.1"}, -1013, "PRICE_FILTER"),
    ("too little balance", {"quantity": "30"}, -2010, "insufficient balance"),
    ("too little to sell", {"side": "SELL", "quantity": "101"}, -2010, "insufficient balance"),
    (
        "a maker that would take",
        {"type": "LIMIT_MAKER", "timeInForce": None, "price": "60006"},
        -2010,
        "immediately match",
    ),
]
FUTURES_REFUSED: list[tuple[str, dict[str, Any], int, str]] = [
    ("unknown symbol", {"symbol": "PEPEUSDT"}, -1121, "Invalid symbol."),
    ("another type", {"type": "LIMIT_MAKER"}, -1116, "Invalid orderType."),
    ("another side of a position", {"positionSide": "UP"}, -4060, "position side"),
    ("the side of another mode", {"positionSide": "LONG"}, -4061, "position side"),
    ("quantity of nothing", {"quantity": "0"}, -4003, "less than or equal to zero"),
    ("quantity between lots", {"quantity": "0.0105"}, -1111, "Precision"),
    ("quantity too large", {"quantity": "1001"}, -4005, "greater than max"),
    ("a market order too large", {**MARKET, "quantity": "121"}, -4005, "greater than max"),
    ("price of nothing", {"price": "0"}, -4001, "Price"),
    ("too many decimals of a price", {"price": "50000.05"}, -1111, "Precision"),
    ("price too high", {"price": "1000000.1"}, -4016, "higher than"),
    ("too little money", {"quantity": "0.001"}, -4164, "no smaller than 100"),
    ("too little margin", {"quantity": "900"}, -2019, "Margin is insufficient."),
    ("nothing to reduce", {"reduceOnly": "true"}, -2022, "ReduceOnly"),
    ("a maker that would take", {"timeInForce": "GTX", "price": "60006"}, -5022, "Post Only"),
]


@pytest.mark.parametrize(
    ("fields", "code", "text"),
    [row[1:] for row in SPOT_REFUSED],
    ids=[row[0] for row in SPOT_REFUSED],
)
def test_spot_refuses(spot: RawClient, fields: dict[str, Any], code: int, text: str) -> None:
    answer = spot.place(**fields)
    assert refusal(answer) == (400, code)
    assert text in answer.json()["msg"]
    assert spot.call("GET", "openOrders").json() == []
    assert spot.funds("USDT") == ("1000000.00000000", "0.00000000")


@pytest.mark.parametrize(
    ("fields", "code", "text"),
    [row[1:] for row in FUTURES_REFUSED],
    ids=[row[0] for row in FUTURES_REFUSED],
)
def test_futures_refuse(futures: RawClient, fields: dict[str, Any], code: int, text: str) -> None:
    answer = futures.place(**fields)
    assert refusal(answer) == (400, code)
    assert text in answer.json()["msg"]
    assert futures.call("GET", "openOrders").json() == []


def test_the_smallest_and_finest_order_is_taken(spot: RawClient) -> None:
    assert spot.placed(quantity="0.0001", price="50000.01")["status"] == "NEW"
    assert spot.placed(**PEPE)["status"] == "NEW"


def test_the_test_route_judges_and_places_nothing(spot: RawClient) -> None:
    order = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "1"}
    assert spot.call("POST", "order/test", **order).json() == {}
    assert refusal(spot.call("POST", "order/test", **order | {"side": "HOLD"})) == (400, -1117)
    assert spot.call("GET", "allOrders", symbol="BTCUSDT").json() == []


def test_a_client_order_id_is_free_again_once_its_order_is_closed(spot: RawClient) -> None:
    first = spot.placed("again")
    duplicate = spot.place("again")
    assert refusal(duplicate) == (400, -2010)
    assert duplicate.json()["msg"] == "Duplicate order sent."
    spot.call("DELETE", "order", symbol="BTCUSDT", origClientOrderId="again")
    second = spot.placed("again")
    assert spot.order("again")["orderId"] == second["orderId"] != first["orderId"]


def test_a_client_order_id_of_futures_is_free_again_too(futures: RawClient) -> None:
    futures.placed("again")
    assert refusal(futures.place("again")) == (400, -4116)
    futures.call("DELETE", "order", symbol="BTCUSDT", origClientOrderId="again")
    assert futures.placed("again")["status"] == "NEW"
