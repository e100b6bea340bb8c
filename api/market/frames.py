"""Frames of market data for WebSockets, as text. Prices and amounts are JSON numbers there."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from time import time as now
from typing import Any

import msgspec

from adapters.venues.market_port import PublicTrade
from adapters.venues.port import Candle, OrderBook

__all__ = ["book_sides", "candle_rows", "data", "frame", "now", "trade_rows"]
_encode = msgspec.json.Encoder().encode


def frame(kind: str, /, **fields: object) -> str:
    """Any frame, with the time of now unless one is given."""
    return _encode({"type": kind, "timestamp": now(), **fields}).decode()


def data(kind: str, subscription_id: str, content: object, at: float) -> str:
    made = {"type": kind, "subscription_id": subscription_id, "data": content, "timestamp": at}
    return _encode(made).decode()


def book_sides(book: OrderBook, depth: int) -> Mapping[str, list[tuple[float, float]]]:
    return {"bids": _levels(book.bids, depth), "asks": _levels(book.asks, depth)}


def _levels(side: tuple[tuple[Decimal, Decimal], ...], depth: int) -> list[tuple[float, float]]:
    return [(float(price), float(quantity)) for price, quantity in side[:depth]]


def trade_rows(trades: Iterable[PublicTrade]) -> list[dict[str, Any]]:
    return [
        {
            "timestamp": trade.at_us / 1e6,
            "price": float(trade.price),
            "amount": float(trade.quantity),
            "side": "buy" if trade.side == "BUY" else "sell",
        }
        for trade in trades
    ]


def candle_rows(candles: Iterable[Candle]) -> list[dict[str, Any]]:
    return [
        {
            "timestamp": candle.start_us / 1e6,
            "open": float(candle.open),
            "high": float(candle.high),
            "low": float(candle.low),
            "close": float(candle.close),
            "volume": float(candle.volume),
            "quote_asset_volume": _number(candle.quote_volume),
            "n_trades": candle.trades or 0,
            "taker_buy_base_volume": _number(candle.taker_base_volume),
            "taker_buy_quote_volume": _number(candle.taker_quote_volume),
        }
        for candle in candles
    ]


def _number(amount: Decimal | None) -> float:
    """What the venue does not tell is 0, as it is for those who know these rows from elsewhere."""
    return 0.0 if amount is None else float(amount)
