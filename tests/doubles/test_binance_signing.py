"""Who may ask what: keys, signatures, timestamps, permissions."""

import time

import pytest

from tests.doubles.binance_client import RawClient, refusal
from tests.doubles.binance_process import BinanceProcess

MARKETS = ("spot", "futures")


def _now_ms() -> int:
    return int(time.time() * 1_000)


@pytest.mark.parametrize("market", MARKETS)
def test_a_key_of_the_wrong_length_has_no_format(
    binance_double: BinanceProcess, market: str
) -> None:
    with RawClient(binance_double.url, "short", "secret", market) as client:
        assert refusal(client.call("GET", "openOrders")) == (401, -2014)


@pytest.mark.parametrize("market", MARKETS)
def test_an_unknown_key_is_invalid(binance_double: BinanceProcess, market: str) -> None:
    with RawClient(binance_double.url, "0" * 64, "secret", market) as client:
        assert refusal(client.call("GET", "openOrders")) == (401, -2015)


@pytest.mark.parametrize("market", MARKETS)
def test_a_wrong_secret_does_not_sign(
    binance_double: BinanceProcess, account: str, market: str
) -> None:
    key, _ = binance_double.new_account(account)
    with RawClient(binance_double.url, key, "another", market) as client:
        assert refusal(client.call("GET", "openOrders")) == (400, -1022)
        assert refusal(client.place()) == (400, -1022)


def test_a_parameter_changed_after_signing_is_noticed(spot: RawClient) -> None:
    signed = spot.sign({"symbol": "BTCUSDT"}) | {"symbol": "ETHUSDT"}
    assert refusal(spot.send("GET", "openOrders", signed)) == (400, -1022)


@pytest.mark.parametrize("name", ["signature", "timestamp"])
def test_what_is_missing_is_named(spot: RawClient, name: str) -> None:
    signed = spot.sign({})
    del signed[name]
    answer = spot.send("GET", "account", signed)
    assert refusal(answer) == (400, -1102)
    assert f"'{name}'" in answer.json()["msg"]


@pytest.mark.parametrize(
    ("offset_ms", "window_ms"), [(-6_000, None), (-2_000, 1_000), (2_000, None)]
)
def test_a_request_out_of_its_time_is_refused(
    spot: RawClient, offset_ms: int, window_ms: int | None
) -> None:
    window = {} if window_ms is None else {"recvWindow": window_ms}
    stamp = _now_ms() + offset_ms
    assert refusal(spot.call("GET", "account", timestamp=stamp, **window)) == (400, -1021)


def test_a_wider_window_lets_an_older_request_in(spot: RawClient) -> None:
    answer = spot.call("GET", "account", timestamp=_now_ms() - 6_000, recvWindow=30_000)
    assert answer.status_code == 200


def test_a_window_has_a_limit(spot: RawClient) -> None:
    assert refusal(spot.call("GET", "account", recvWindow=60_001)) == (400, -1131)


def test_a_key_that_may_only_read_does_not_trade(
    binance_double: BinanceProcess, account: str
) -> None:
    key, secret = binance_double.new_account(account, can_trade=False)
    with RawClient(binance_double.url, key, secret) as client:
        assert client.call("GET", "account").json()["canTrade"] is False
        assert refusal(client.place()) == (401, -2015)


def test_permissions_are_told(binance_double: BinanceProcess, account: str) -> None:
    key, secret = binance_double.new_account(account, can_withdraw=True)
    with RawClient(binance_double.url, key, secret) as client:
        told = client.call("GET", "/sapi/v1/account/apiRestrictions").json()
    assert (told["enableReading"], told["enableWithdrawals"]) == (True, True)
    assert told["enableSpotAndMarginTrading"] is True


def test_a_revoked_key_is_worthless(
    binance_double: BinanceProcess, account: str, spot: RawClient
) -> None:
    assert spot.call("GET", "account").status_code == 200
    binance_double.control("revoke", account=account)
    assert refusal(spot.call("GET", "account")) == (401, -2015)


def test_a_second_key_reaches_the_same_money(
    binance_double: BinanceProcess, account: str, spot: RawClient
) -> None:
    spot.placed("first")
    key, secret = binance_double.new_account(account)
    with RawClient(binance_double.url, key, secret) as other:
        assert other.order("first")["status"] == "NEW"
        assert other.funds("USDT") == ("999500.00000000", "500.00000000")


def test_an_unknown_path_is_not_found(binance_double: BinanceProcess) -> None:
    with RawClient(binance_double.url) as client:
        assert client.send("GET", "/api/v3/nothing", {}).status_code == 404
