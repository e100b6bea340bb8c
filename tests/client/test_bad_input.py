"""What makes no sense is a 4xx that says why, never a 500, by every route the client knows."""

from typing import Any

import pytest
from aiohttp import ClientResponseError

from tests.client.stand import GROUNDS, Stand

pytestmark = pytest.mark.postgres

PLACE = {
    "account_name": "spot_trader",
    "connector_name": "binance",
    "trading_pair": "BTC-USDT",
    "trade_type": "BUY",
    "amount": 0.01,
    "order_type": "LIMIT",
    "price": 50_000.0,
}
AT = ("binance", "BTC-USDT")
PERPETUAL = ("future_trader", "binance_perpetual")
PLACED: list[dict[str, Any]] = [
    {"amount": 0},
    {"amount": -1},
    {"amount": "abc"},
    {"amount": "NaN"},
    {"amount": "1e999999"},
    {"amount": None},
    {"amount": [1]},
    {"price": 0},
    {"price": -5},
    {"price": "Infinity"},
    {"trade_type": "HOLD"},
    {"order_type": "STOP"},
    {"position_action": "FLIP"},
    {"trading_pair": ""},
    {"trading_pair": "BTCUSDT"},
    {"trading_pair": "BTC-USDT\x00"},
    {"account_name": ""},
    {"account_name": "a/b"},
    {"account_name": "x" * 300},
    {"account_name": "nobody"},
    {"connector_name": "no_such_connector"},
    {"connector_name": "bi nance"},
    {"amount": 0.000001},
    {"amount": 1e12},
]
ASKED: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("trading.cancel_order", ("spot_trader", "binance", "no-such-order"), {}),
    ("trading.cancel_order", ("nobody", "binance", "no-such-order"), {}),
    ("trading.get_active_orders", (), {"limit": 0}),
    ("trading.get_active_orders", (), {"limit": 1_001}),
    ("trading.get_active_orders", (), {"cursor": "garbage"}),
    ("trading.get_active_orders", (), {"account_names": "spot_trader"}),
    ("trading.search_orders", (), {"cursor": "0:"}),
    ("trading.search_orders", (), {"status": 7}),
    ("trading.search_orders", (), {"start_time": "yesterday"}),
    ("trading.search_orders", (), {"start_time": 10**20}),
    ("trading.get_trades", (), {"cursor": "x:y"}),
    ("trading.get_trades", (), {"trade_types": ["HOLD"]}),
    ("trading.get_positions", (), {"limit": -1}),
    ("trading.get_positions", (), {"cursor": "%"}),
    ("trading.get_funding_payments", (), {"cursor": "%"}),
    ("trading.set_leverage", (*PERPETUAL, "BTC-USDT", 0), {}),
    ("trading.set_leverage", (*PERPETUAL, "BTC-USDT", "many"), {}),
    ("trading.set_leverage", (*PERPETUAL, "NO-SUCH", 5), {}),
    ("trading.set_leverage", ("nobody", "binance_perpetual", "BTC-USDT", 5), {}),
    ("trading.set_position_mode", (*PERPETUAL, "SIDEWAYS"), {}),
    ("trading.get_position_mode", ("nobody", "binance_perpetual"), {}),
    ("portfolio.get_state", ("spot_trader",), {}),
    ("portfolio.get_state", ([7],), {}),
    ("portfolio.get_history", (), {"interval": "2h"}),
    ("portfolio.get_history", (), {"limit": 1_001}),
    ("portfolio.get_history", (), {"cursor": "garbage"}),
    ("portfolio.get_history", (), {"start_time": 1.5}),
    ("portfolio.get_distribution", ([None],), {}),
    ("connectors.get_config_map", ("no_such_connector",), {}),
    ("connectors.get_trading_rules", ("no_such_connector",), {}),
    ("connectors.get_supported_order_types", ("no_such_connector",), {}),
    ("market_data.get_candles", ("binance", "NO-SUCH"), {}),
    ("market_data.get_candles", ("no_such_connector", "BTC-USDT"), {}),
    ("market_data.get_candles", (*AT, "7m"), {}),
    ("market_data.get_candles", AT, {"max_records": 0}),
    ("market_data.get_historical_candles", (*AT, "1h"), {}),
    ("market_data.get_historical_candles", (*AT, "1h", 2_000_000_000, 1_000_000_000), {}),
    ("market_data.get_prices", ("no_such_connector", "BTC-USDT"), {}),
    ("market_data.get_prices", ("binance", []), {}),
    ("market_data.get_tickers", ("no_such_connector",), {}),
    ("market_data.get_tickers", ("binance",), {"max_age": -1}),
    ("market_data.get_rates", ([""],), {}),
    ("market_data.get_funding_info", ("binance", "BTC-USDT"), {}),
    ("market_data.get_funding_info", ("binance_perpetual", "NO-SUCH"), {}),
    ("market_data.get_order_book", ("binance", "NO-SUCH"), {}),
    ("market_data.get_order_book", AT, {"depth": 1_001}),
    ("market_data.get_order_book", AT, {"depth": "deep"}),
    ("market_data.get_price_for_volume", AT, {"volume": 0, "is_buy": True}),
    ("market_data.get_price_for_volume", AT, {"volume": -1, "is_buy": True}),
    ("market_data.get_price_for_volume", AT, {"volume": 1, "is_buy": "perhaps"}),
    ("market_data.get_volume_for_price", AT, {"price": -1, "is_buy": True}),
    ("market_data.get_price_for_quote_volume", AT, {"quote_volume": "x", "is_buy": True}),
    ("market_data.get_quote_volume_for_price", AT, {"price": None, "is_buy": True}),
    ("market_data.get_vwap_for_volume", AT, {"volume": "NaN", "is_buy": True}),
    ("market_data.add_trading_pair", ("no_such_connector", "BTC-USDT"), {}),
    ("market_data.add_trading_pair", AT, {"timeout": 500}),
    ("market_data.get_order_book_diagnostics", ("no/such",), {}),
]


def _judged(stand: Stand, method: str, arguments: tuple[Any, ...], fields: dict[str, Any]) -> None:
    router, name = method.split(".")

    async def scene(client: Any) -> None:
        with pytest.raises(ClientResponseError) as refused:
            await getattr(getattr(client, router), name)(*arguments, **fields)
        assert 400 <= refused.value.status < 500, refused.value.message
        assert len(str(refused.value.message)) > 5

    stand.play(scene)


@pytest.mark.parametrize("fields", PLACED, ids=str)
def test_an_order_that_makes_no_sense_is_refused(stand: Stand, fields: dict[str, Any]) -> None:
    _judged(stand, "trading.place_order", (), PLACE | fields)


@pytest.mark.parametrize(("method", "arguments", "fields"), ASKED, ids=str)
def test_a_question_that_makes_no_sense_is_refused(
    stand: Stand, method: str, arguments: tuple[Any, ...], fields: dict[str, Any]
) -> None:
    _judged(stand, method, arguments, fields)


def test_nothing_of_it_reached_the_exchange(stand: Stand) -> None:
    ground = GROUNDS["binance"]
    told = stand.exchange.control("ledger", account=ground.account)
    assert all(row["outcome"] in {"accepted", "-2010"} for row in told["requests"])
