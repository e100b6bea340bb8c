"""Orders and trades in the exchange's JSON: spot with eight decimals, futures without zeros."""

from decimal import Decimal
from typing import Any

from tests.doubles.binance.records import ZERO, Order, PublicTrade, Trade
from tests.doubles.binance.symbols import Market, amount, fixed, short


def order(order: Order) -> dict[str, Any]:
    """As lookups and lists answer it."""
    return _spot_order(order) if order.market == "spot" else _futures_order(order)


def _spot_order(order: Order) -> dict[str, Any]:
    return {
        "symbol": order.symbol,
        "orderId": order.order_id,
        "orderListId": -1,
        "clientOrderId": order.client_order_id,
        "price": fixed(order.price),
        "origQty": fixed(order.quantity),
        "executedQty": fixed(order.filled),
        "origQuoteOrderQty": fixed(ZERO),
        "cummulativeQuoteQty": fixed(order.quote_filled),
        "status": order.status,
        "timeInForce": order.time_in_force,
        "type": order.type,
        "side": order.side,
        "stopPrice": fixed(ZERO),
        "icebergQty": fixed(ZERO),
        "time": order.created_ms,
        "updateTime": order.updated_ms,
        "isWorking": True,
        "workingTime": order.created_ms,
        "selfTradePreventionMode": "NONE",
    }


def _futures_order(order: Order) -> dict[str, Any]:
    return {
        "orderId": order.order_id,
        "symbol": order.symbol,
        "status": order.status,
        "clientOrderId": order.client_order_id,
        "price": short(order.price),
        "avgPrice": short(average_price(order)),
        "origQty": short(order.quantity),
        "executedQty": short(order.filled),
        "cumQuote": short(order.quote_filled),
        "timeInForce": order.time_in_force,
        "type": order.type,
        "reduceOnly": order.reduce_only,
        "closePosition": False,
        "side": order.side,
        "positionSide": order.position_side,
        "stopPrice": "0",
        "workingType": "CONTRACT_PRICE",
        "priceProtect": False,
        "origType": order.type,
        "priceMatch": "NONE",
        "selfTradePreventionMode": "NONE",
        "goodTillDate": 0,
        "time": order.created_ms,
        "updateTime": order.updated_ms,
    }


def average_price(order: Order) -> Decimal:
    if not order.filled:
        return ZERO
    return (order.quote_filled / order.filled).quantize(Decimal("0.00000001"))


def trade(trade: Trade) -> dict[str, Any]:
    """One of the account's own, as myTrades and userTrades list it."""
    market = trade.market
    row = {
        "symbol": trade.symbol,
        "id": trade.trade_id,
        "orderId": trade.order_id,
        "price": amount(market, trade.price),
        "qty": amount(market, trade.quantity),
        "quoteQty": amount(market, trade.price * trade.quantity),
        "commission": fixed(trade.fee),
        "commissionAsset": trade.fee_asset,
        "time": trade.time_ms,
    }
    is_buyer = trade.side == "BUY"
    if market == "spot":
        return row | {
            "orderListId": -1,
            "isBuyer": is_buyer,
            "isMaker": trade.is_maker,
            "isBestMatch": True,
        }
    return row | {
        "buyer": is_buyer,
        "maker": trade.is_maker,
        "side": trade.side,
        "positionSide": trade.position_side,
        "realizedPnl": fixed(trade.realized),
        "marginAsset": trade.fee_asset,
    }


def public_trade(market: Market, trade: PublicTrade) -> dict[str, Any]:
    row = {
        "id": trade.trade_id,
        "price": amount(market, trade.price),
        "qty": amount(market, trade.quantity),
        "quoteQty": amount(market, trade.price * trade.quantity),
        "time": trade.time_ms,
        "isBuyerMaker": trade.is_buyer_maker,
    }
    return row | {"isBestMatch": True} if market == "spot" else row


def aggregate_trade(market: Market, trade: PublicTrade) -> dict[str, Any]:
    """Every trade is an aggregate of its own here."""
    row = {
        "a": trade.trade_id,
        "p": amount(market, trade.price),
        "q": amount(market, trade.quantity),
        "f": trade.trade_id,
        "l": trade.trade_id,
        "T": trade.time_ms,
        "m": trade.is_buyer_maker,
    }
    return row | {"M": True} if market == "spot" else row
